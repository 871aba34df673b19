package cli

import (
	"strings"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/image"
	"argocd-image-updater/internal/plan"
	"argocd-image-updater/internal/policy"
	"argocd-image-updater/internal/settings"
	"argocd-image-updater/internal/update"
)

// The JSON that -o json prints. Its keys are a contract.

type applicationView struct {
	Application string `json:"application"`
	Origin      string `json:"origin,omitempty"`
	WriteBack   string `json:"writeBack"`
	Repository  string `json:"repository,omitempty"`
	// ImageUpdater is the one whose rules are followed.
	ImageUpdater string      `json:"imageUpdater,omitempty"`
	Base         string      `json:"base,omitempty"`
	Head         string      `json:"head,omitempty"`
	Message      string      `json:"message,omitempty"`
	Error        string      `json:"error,omitempty"`
	Class        string      `json:"class,omitempty"`
	Warnings     []string    `json:"warnings,omitempty"`
	Images       []imageView `json:"images,omitempty"`
	Diff         string      `json:"diff,omitempty"`
	// Patch is what changes of the Application itself (RFC 6902).
	Patch []argo.Op `json:"patch,omitempty"`
}

type imageView struct {
	Alias      string          `json:"alias,omitempty"`
	Image      string          `json:"image"`
	Strategy   string          `json:"strategy,omitempty"`
	State      string          `json:"state"`
	Reason     string          `json:"reason,omitempty"`
	Class      string          `json:"class,omitempty"`
	Live       []string        `json:"live,omitempty"`
	Declared   string          `json:"declared,omitempty"`
	New        string          `json:"new,omitempty"`
	Asked      string          `json:"asked,omitempty"`
	Tags       int             `json:"tags"`
	Eligible   int             `json:"eligible"`
	Dropped    []dropView      `json:"dropped,omitempty"`
	Changes    []changeView    `json:"changes,omitempty"`
	Rejections []rejectionView `json:"rejections,omitempty"`
}

type dropView struct {
	Rule  string `json:"rule"`
	Count int    `json:"count"`
}

type changeView struct {
	File string `json:"file"`
	Path string `json:"path"`
	Line int    `json:"line,omitempty"`
	Old  string `json:"old"`
	New  string `json:"new"`
	// Via are the aliases that follow the value.
	Via []string `json:"via,omitempty"`
}

type rejectionView struct {
	Tag    string `json:"tag"`
	Rule   string `json:"rule"`
	Detail string `json:"detail"`
}

func methodName(m settings.Method) string {
	switch m {
	case settings.MethodGit:
		return "git"
	case settings.MethodGitBranch:
		return "git:branch"
	case settings.MethodGitNoop:
		return "git:noop"
	}
	return "argocd"
}

func viewPlan(p plan.Plan) applicationView {
	v := applicationView{
		Application: p.App.String(), ImageUpdater: p.ImageUpdater.String(), Origin: p.Origin, WriteBack: methodName(p.Method),
		Repository: p.To.Location.String(), Base: p.To.Base, Head: p.To.Head,
		Message: p.Message, Warnings: p.Warnings,
	}
	if p.Method.InGit() {
		v.Diff = string(unifiedDiff(p.Files))
	} else if patch, err := p.Patch(); err == nil && patch != nil {
		v.Patch = patch.Ops
	}
	if p.Err != nil {
		v.Error, v.Class = p.Err.Error(), string(update.Classify(p.Err))
	}
	for _, it := range p.Items {
		v.Images = append(v.Images, viewItem(it))
	}
	return v
}

func viewPlans(plans []plan.Plan) []applicationView {
	out := make([]applicationView, 0, len(plans))
	for _, p := range plans {
		out = append(out, viewPlan(p))
	}
	return out
}

func viewItem(it plan.Item) imageView {
	v := imageView{
		Alias: it.Alias, Image: it.Image.Name, Strategy: it.Strategy, State: it.State.String(), Reason: it.Reason,
		Declared: it.Declared.Version(), New: it.New.Version(), Asked: it.Asked,
		Tags: it.Decision.Total, Eligible: it.Decision.Eligible,
	}
	if v.Image == "" {
		v.Image = it.Track
	}
	if it.Err != nil {
		v.Class = string(update.Classify(it.Err))
	}
	for _, ref := range it.Live {
		v.Live = append(v.Live, ref.String())
	}
	for _, d := range it.Decision.Dropped {
		v.Dropped = append(v.Dropped, dropView{string(d.Rule), d.Count})
	}
	for _, c := range it.Changes {
		if c.Changed() {
			v.Changes = append(v.Changes, changeView{c.File, c.Path, c.Line, c.Old, c.New, c.Via})
		}
	}
	v.Rejections = viewRejections(it.Rejections)
	return v
}

func viewRejections(rs []policy.Rejection) []rejectionView {
	out := make([]rejectionView, 0, len(rs))
	for _, r := range rs {
		out = append(out, rejectionView{r.Tag, string(r.Rule), r.Detail})
	}
	return out
}

// shortVersion is a version as a person reads it in a table: digests are cut.
func shortVersion(ref image.Ref) string {
	if ref.Digest == "" {
		return ref.Tag
	}
	return strings.TrimPrefix(ref.Tag+"@"+ref.Digest.Short(), "@")
}

type outcomeView struct {
	Application string `json:"application"`
	WriteBack   string `json:"writeBack"`
	imageView
	Repository string `json:"repository,omitempty"`
	Branch     string `json:"branch,omitempty"`
	Commit     string `json:"commit,omitempty"`
}

func viewOutcomes(outcomes []plan.Outcome) []outcomeView {
	views := make([]outcomeView, 0, len(outcomes))
	for _, o := range outcomes {
		views = append(views, outcomeView{
			Application: o.App.String(), WriteBack: methodName(o.Method), imageView: viewItem(o.Item),
			Repository: o.To.Location.String(), Branch: o.To.Head, Commit: o.Commit,
		})
	}
	return views
}

// nameOf is the declared reference, or the image's name where nothing was
// declared.
func nameOf(declared, img image.Ref) image.Ref {
	if declared.IsZero() {
		return img
	}
	return declared
}
