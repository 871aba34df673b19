package settings

import (
	"errors"
	"strings"

	"argocd-image-updater/internal/credential"
	"argocd-image-updater/internal/policy"
)

// trackReader reads the settings of one image.
type trackReader struct {
	*reader
	alias string // as in keys; "" reads the Application's values alone
	helm  string // the alias of its helm keys, which an image without alias has too
}

// track makes a Track of an entry of the image list.
func (r *reader) track(e listEntry, d Defaults) Track {
	t := Track{Name: e.name(), Alias: e.alias, Image: e.image.With("", ""), Constraint: e.constraint}
	own := r.of(e)
	if e.err != nil {
		own.fail(value{key: e.key, text: e.text}, e.err.Error())
	} else {
		tr := trackReader{reader: own, alias: keyAlias(e.alias), helm: helmAlias(e)}
		tr.read(&t, e, d)
	}
	r.warnings = own.warnings
	t.Err = own.err()
	return t
}

// helmAlias is the alias that the helm keys of an image have: without an
// alias its name without registry.
func helmAlias(e listEntry) string {
	if e.alias != "" {
		return keyAlias(e.alias)
	}
	name := e.image.Name
	if e.image.HasRegistry() {
		_, name, _ = strings.Cut(name, "/")
	}
	return keyAlias(name)
}

func (r *trackReader) read(t *Track, e listEntry, d Defaults) {
	t.Policy, t.Strategy = r.policy(e, d)
	t.Pin = r.pin(t.Strategy)
	if v := r.get("pull-secret"); v.text != "" {
		ref, err := credential.ParseReference(v.text)
		if err != nil {
			r.fail(v, err.Error())
		}
		t.PullSecret = ref
	}
	t.Force = r.parseBool(r.get("force-update"), false)
	t.AllowDowngrade = r.parseBool(r.get("allow-downgrade"), false)
	t.KustomizeName = r.own(r.alias, "kustomize.image-name").text
	t.Plugin = r.keys(r.alias, "plugin")
	t.Helm = r.keys(r.helm, "helm")
	switch {
	case !t.Helm.Given:
		t.Helm.Name, t.Helm.Tag = "image.name", "image.tag"
	case t.Helm.Spec == "" && t.Helm.Tag == "":
		t.Helm.Tag = "image.tag"
	}
	if e.image.Digest != "" {
		r.warn("image %s: the digest in %s is not used: what is written is decided by %s", t.Name, e.key, r.word("pin"))
	}
}

// get is the image's own value, or that for the whole Application. A value
// that is present wins, even if it is empty.
func (r *trackReader) get(key string) value {
	if own := r.own(r.alias, key); own.key != "" {
		return own
	}
	return r.application(key)
}

// own is the value of <alias>.<key>; without key if there is none.
func (r *trackReader) own(alias, key string) value {
	full := alias + "." + key
	if v, ok := r.values[full]; ok && alias != "" {
		return v
	}
	return value{}
}

// policy compiles what the image asks for.
func (r *trackReader) policy(e listEntry, d Defaults) (p policy.Policy, strategy string) {
	from := map[string]value{
		"update-strategy": r.get("update-strategy"),
		"allow-tags":      r.allowTags(),
		"ignore-tags":     r.get("ignore-tags"),
		"platforms":       r.get("platforms"),
	}
	p, err := policy.Compile(policy.Spec{
		Strategy:        from["update-strategy"].text,
		Constraint:      e.constraint,
		AllowTags:       from["allow-tags"].text,
		IgnoreTags:      from["ignore-tags"].items(),
		Platforms:       from["platforms"].items(),
		DefaultPlatform: d.Platform,
	})
	if err != nil {
		r.failPolicy(err, from, e)
		return policy.Policy{}, ""
	}
	if name := p.Deprecated(); name != "" {
		v := from["update-strategy"]
		r.warn("%s %q is an old name: write %s", v.key, v.text, name)
	}
	if s := p.Strategy(); e.constraint != "" && (s == "newest-build" || s == "alphabetical") {
		r.warn("image %s: the constraint %q does nothing: %s uses none; to choose tags, set %s", e.name(), e.constraint, s, r.word("allow-tags"))
	}
	return p, p.Strategy()
}

// failPolicy names the key that holds what the policy does not accept.
func (r *trackReader) failPolicy(err error, from map[string]value, e listEntry) {
	var wrong *policy.SpecError
	if !errors.As(err, &wrong) {
		r.errs = append(r.errs, err)
		return
	}
	v, ok := from[wrong.Key]
	if !ok {
		v.key = e.key // the constraint
	}
	v.text = wrong.Value
	r.fail(v, wrong.Remedy)
}

// allowTags is allow-tags, or its old name where that says nothing.
func (r *trackReader) allowTags() value {
	v, old := r.get("allow-tags"), r.own(r.alias, "tag-match")
	if old.text == "" {
		return v
	}
	r.warn("%s is an old name: write %s.allow-tags", old.key, r.alias)
	if v.text != "" {
		return v
	}
	return old
}

// splitList splits at commas and drops what is blank.
func splitList(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

func (r *trackReader) pin(strategy string) Pin {
	v := r.get("pin")
	digest := strategy == "digest"
	switch v.text {
	case "":
		if digest {
			return PinTagDigest
		}
	case "tag":
		if digest {
			r.fail(v, "the digest strategy follows one tag, of which only the digest changes: digest or tag+digest expected")
		}
	case "digest":
		return PinDigest
	case "tag+digest":
		return PinTagDigest
	default:
		r.fail(v, "tag, digest or tag+digest expected")
	}
	return PinTag
}

// keys are the helm or plugin keys of an image.
func (r *trackReader) keys(alias, kind string) Keys {
	k := Keys{
		Name: r.own(alias, kind+".image-name").text,
		Tag:  r.own(alias, kind+".image-tag").text,
		Spec: r.own(alias, kind+".image-spec").text,
	}
	k.Given = k.Name != "" || k.Tag != "" || k.Spec != ""
	if k.Spec != "" {
		k.Name, k.Tag = "", ""
	}
	return k
}
