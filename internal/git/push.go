package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
	"argocd-image-updater/internal/plan"
)

// Push puts a chain of commits on a branch, in one push, and returns their ids
// in the same order. The branch moves from p.Old to it or does not move at all: fault.
// ErrLostRace says that it was somewhere else, fault.ErrRefused that the server
// did not want it, in the server's words.
func (c *Client) Push(ctx context.Context, at plan.Remote, p plan.Push) ([]string, error) {
	r, err := c.repository(at)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.done()
	ids, err := r.push(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("push to branch %s of %s: %w", p.Branch, argo.ShownURL(at.URL), classify(ctx, err))
	}
	return ids, nil
}

func (r *repository) push(ctx context.Context, p plan.Push) ([]string, error) {
	name, parent := plumbing.NewBranchReferenceName(p.Branch), plumbing.NewHash(p.Parent)
	if err := name.Validate(); err != nil || !plumbing.IsHash(p.Parent) || p.Old != "" && !plumbing.IsHash(p.Old) {
		return nil, fmt.Errorf("%w: branch %q from %q on %q: a branch name and two commits expected", errInvalid, p.Branch, p.Old, p.Parent)
	}
	if p.Old != "" && p.Old != p.Parent {
		return nil, fmt.Errorf("%w: commits on %s cannot be put on a branch at %s without force", errInvalid, p.Parent, p.Old)
	}
	if r.server.capabilities == nil {
		if _, err := r.look(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.need(ctx, parent); err != nil {
		return nil, err
	}
	ids, written, err := build(r.store, parent, p.Commits)
	if err != nil {
		return nil, err
	}
	head := plumbing.NewHash(ids[len(ids)-1])
	if err := r.deliver(ctx, p, head, written); err != nil {
		return nil, err
	}
	if err := r.keep(head, written); err != nil {
		r.store = newStore() // what was pushed is read again when it is needed
	}
	return ids, nil
}

// deliver sends commits, and makes sure of what became of them.
func (r *repository) deliver(ctx context.Context, p plan.Push, head plumbing.Hash, written *overlay) (err error) {
	defer r.client.observe(OperationPush, time.Now(), &err)
	err = r.send(ctx, p, head, written)
	if errors.Is(err, errNoReport) {
		err = r.settle(ctx, plumbing.NewBranchReferenceName(p.Branch), head, err)
	}
	return err
}

// errNoReport marks a push that was sent and about which nothing came back.
var errNoReport = errors.New("the push was sent, and no report of it came back")

// settle looks where the branch is after a push without a report: the branch
// tells what the connection did not.
func (r *repository) settle(ctx context.Context, name plumbing.ReferenceName, head plumbing.Hash, unclear error) error {
	adv, err := r.look(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("%w; whether the branch moved is not known", unclear)
	case adv.References[name.String()] == head:
		return nil
	}
	return unclear
}

// keep takes what the head is made of into the store, so that the next look at
// the branch needs no fetch. What only the commits before it had is let go.
func (r *repository) keep(head plumbing.Hash, written *overlay) error {
	if err := r.take(written, plumbing.CommitObject, head); err != nil {
		return err
	}
	commit, err := object.GetCommit(r.store, head)
	if err != nil {
		return err
	}
	r.store.commits[head] = true
	return r.keepTree(commit.TreeHash, written)
}

func (r *repository) keepTree(hash plumbing.Hash, written *overlay) error {
	if !written.has(hash) {
		return nil
	}
	if err := r.take(written, plumbing.TreeObject, hash); err != nil {
		return err
	}
	tree, err := object.GetTree(r.store, hash)
	if err != nil {
		return err
	}
	for _, e := range tree.Entries {
		switch {
		case e.Mode == filemode.Dir:
			err = r.keepTree(e.Hash, written)
		case written.has(e.Hash):
			err = r.take(written, plumbing.BlobObject, e.Hash)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *repository) take(written *overlay, t plumbing.ObjectType, hash plumbing.Hash) error {
	o, err := written.EncodedObject(t, hash)
	if err != nil {
		return err
	}
	_, err = r.store.SetEncodedObject(o)
	return err
}

func (r *repository) send(ctx context.Context, p plan.Push, head plumbing.Hash, written *overlay) error {
	ctx, cancel := context.WithTimeout(ctx, r.client.options.Timeout)
	defer cancel()
	s, err := r.endpoint.receive(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // the report has told what is to be told
	adv, err := s.AdvertisedReferencesContext(ctx)
	if err != nil {
		return err
	}
	name, old := plumbing.NewBranchReferenceName(p.Branch), plumbing.NewHash(p.Old) // zero for ""
	if now := adv.References[name.String()]; now != old {
		return fmt.Errorf("%w: the branch is at %s, not at %s any more", fault.ErrLostRace, state(now), state(old))
	}
	if !adv.Capabilities.Supports(capability.ReportStatus) {
		return fmt.Errorf("%w: the server does not report what becomes of a push, so nothing is pushed to it", errInvalid)
	}
	var said words
	req := packp.NewReferenceUpdateRequestFromCapabilities(adv.Capabilities)
	if adv.Capabilities.Supports(capability.Sideband64k) {
		_ = req.Capabilities.Set(capability.Sideband64k) // takes no argument, so it cannot fail
		req.Progress = &said
	}
	req.Commands = []*packp.Command{{Name: name, Old: old, New: head}}
	req.Packfile = io.NopCloser(written.pack.reader())
	report, err := s.ReceivePack(ctx, req)
	return verdict(name, report, err, said.String())
}

func state(h plumbing.Hash) string {
	if h.IsZero() {
		return "no commit"
	}
	return h.String()
}

// verdict is what became of a push.
func verdict(name plumbing.ReferenceName, report *packp.ReportStatus, err error, said string) error {
	if report == nil {
		if err == nil {
			err = errors.New("the server reports nothing")
		}
		return fmt.Errorf("%w: %w", errNoReport, err)
	}
	words := tidy(said)
	if report.UnpackStatus != "ok" {
		return fmt.Errorf("%w: the server could not store the commits: %s%s; it needs room, and the right to write there", fault.ErrRefused, line(report.UnpackStatus), words)
	}
	i := slices.IndexFunc(report.CommandStatuses, func(s *packp.CommandStatus) bool { return s.ReferenceName == name })
	if i < 0 {
		return fmt.Errorf("%w: the server does not say what became of the branch%s", fault.ErrUnavailable, words)
	}
	switch status := report.CommandStatuses[i].Status; {
	case status == "ok":
		return nil
	case isRace(status):
		return fmt.Errorf("%w: %s%s", fault.ErrLostRace, line(status), words)
	default:
		return fmt.Errorf("%w: %s%s", fault.ErrRefused, line(status), words)
	}
}

// isRace reports whether a reason of report-status (gitprotocol-pack(5)) says
// that somebody else was at the branch. The protocol knows texts only; these
// are the ones of Git's receive-pack, and what forges make of them.
func isRace(reason string) bool {
	return slices.ContainsFunc([]string{
		"non-fast-forward", "fetch first", "failed to update ref", "failed to lock", "cannot lock ref",
		"reference already exists", "incorrect old value provided", "stale info",
	}, func(known string) bool { return strings.Contains(reason, known) })
}

// maxWords bounds what is repeated of a server's message, in bytes.
const maxWords = 500

// tidy shows what a server said beside its report.
func tidy(said string) string {
	if said = line(said); said == "" {
		return ""
	}
	return " (the server says: " + said + ")"
}

// line makes one short line of a text from outside.
func line(text string) string {
	text = strings.ToValidUTF8(text, "?")
	text = strings.Join(strings.FieldsFunc(text, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }), " ")
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "…"
	}
	return text
}
