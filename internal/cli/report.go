package cli

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/settings"
	"argocd-image-updater/internal/update"
)

// report writes the lines of a cycle. Their first words are a contract: people
// search logs for them.
type report struct {
	log    *slog.Logger
	dryRun bool
	// said is what was said of each track that was skipped; it is not repeated
	// at info level while it stays so.
	said  map[string]saying
	round int // of sayings
}

// saying is a text and the round in which it was said last.
type saying struct {
	text  string
	round int
}

// forget ends a round: what was not said in it is news when it is said again.
func (r *report) forget() {
	maps.DeleteFunc(r.said, func(_ string, s saying) bool { return s.round < r.round })
	r.round++
}

// planned tells what will be done.
func (r *report) planned(plans []plan.Plan) {
	for _, p := range plans {
		log := r.log.With("application", p.App.String())
		for _, warning := range p.Warnings {
			r.warn(log, p, warning)
		}
		for _, it := range p.Changed() {
			log.Info("Setting new image to "+it.New.String(), append([]any{"alias", it.Alias, "from", it.Old().Version()}, place(p.To, "")...)...)
		}
		if (r.dryRun || p.Method == settings.MethodGitNoop) && len(p.Files) > 0 {
			detail := []any{"diff", string(unifiedDiff(p.Files))}
			if !p.Method.InGit() {
				detail = []any{"changes", changeTexts(p.Changed())}
			}
			log.Info(fmt.Sprintf("Dry run - not committing %d changes to application", len(p.Changed())), detail...)
		}
	}
}

// warn tells a warning once. One of an ImageUpdater is the same for all of its
// Applications, and names none.
func (r *report) warn(log *slog.Logger, p plan.Plan, warning string) {
	key := p.App.String() + " " + warning
	if p.ImageUpdater != (argo.Key{}) && strings.HasPrefix(warning, "imageupdater "+p.ImageUpdater.String()) {
		key, log = warning, r.log
	}
	log.Log(context.Background(), r.once(key, "", slog.LevelWarn), warning)
}

// applied tells what became of it and returns the number of errors, of which
// some were found before.
func (r *report) applied(outcomes []plan.Outcome, c cycleFigures) int {
	updated, skipped, errors := 0, 0, c.problems
	for _, o := range outcomes {
		log := r.log.With("application", o.App.String(), "alias", o.Alias)
		if o.Image.Name != "" {
			log = log.With("image_name", o.Image.Name)
		}
		switch o.State {
		case plan.Updated:
			updated++
			log.Info(fmt.Sprintf("Successfully updated image '%s' to '%s'", nameOf(o.Old(), o.Image), o.New), place(o.To, o.Commit)...)
		case plan.Failed:
			errors++
			r.failed(log, o)
		case plan.AlreadyDeclared:
			if o.Reason != "" {
				log.Log(context.Background(), r.level(o), "Waiting", "reason", o.Reason, "image_tag", o.New.Version())
			}
			log.Debug("No new image found", "image_tag", o.New.Version())
		case plan.NothingEligible:
			skipped++
			log.Debug("No new image found", "reason", o.Reason)
		case plan.NotLive, plan.Held, plan.Undecided:
			skipped++
			log.Log(context.Background(), r.level(o), "Skipping image", "state", o.State.String(), "reason", o.Reason)
		}
	}
	r.log.Info(fmt.Sprintf("Processing results: applications=%d images_considered=%d images_skipped=%d images_updated=%d errors=%d",
		c.applications, considered(outcomes), skipped, updated, errors), "took", c.took.Round(time.Millisecond).String())
	return errors
}

func (r *report) failed(log *slog.Logger, o plan.Outcome) {
	class := string(update.Classify(o.Err))
	// A change that was planned and did not arrive was lost on the way to Git.
	if len(o.Changes) > 0 {
		text := "Failed to commit"
		if !o.Method.InGit() {
			text = "Could not update application spec"
		}
		log.Error(text, append([]any{"error", o.Err, "class", class}, place(o.To, "")...)...)
		return
	}
	log.Error("Could not update image", "error", o.Err, "class", class)
}

// place tells where in Git a change goes; nothing of one that goes elsewhere.
func place(to plan.Destination, commit string) []any {
	var out []any
	if to.URL != "" {
		out = append(out, "repository", to.Location.String(), "branch", to.Head)
	}
	if commit != "" {
		out = append(out, "commit", commit)
	}
	return out
}

// level is info for news and debug for what was said before.
func (r *report) level(o plan.Outcome) slog.Level {
	return r.once(o.App.String()+" "+o.Track, o.State.String()+" "+o.Reason, slog.LevelInfo)
}

// once is the level for a text that is new under its key, and debug for one
// that is not.
func (r *report) once(key, text string, level slog.Level) slog.Level {
	before, known := r.said[key]
	if r.said == nil {
		r.said = map[string]saying{}
	}
	r.said[key] = saying{text, r.round}
	if known && before.text == text {
		return slog.LevelDebug
	}
	return level
}

// cycleFigures are what the last line of a cycle tells besides the outcomes.
type cycleFigures struct {
	applications int
	problems     int // manifests that could not be read
	took         time.Duration
}

func considered(outcomes []plan.Outcome) int {
	n := 0
	for _, o := range outcomes {
		if o.Track != "" {
			n++
		}
	}
	return n
}

// managed counts the Applications that ask for updates.
func managed(plans []plan.Plan) int {
	n := 0
	for _, p := range plans {
		if p.Err != nil || len(p.Items) > 0 {
			n++
		}
	}
	return n
}
