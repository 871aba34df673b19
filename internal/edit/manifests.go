package edit

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"argocd-image-updater/internal/image"
)

// manifests edits the containers of Kubernetes resources.
func manifests(d *draft, edits []Edit) error {
	l := lister{draft: d, seen: map[*yaml.Node]bool{}}
	for _, doc := range d.docs {
		l.resource(doc.Content[0])
	}
	if l.err != nil {
		return l.err
	}
	byRepo := map[image.Repo][]container{}
	for _, c := range l.containers {
		byRepo[c.ref.Repo] = append(byRepo[c.ref.Repo], c)
	}
	for _, e := range edits {
		at, ok := e.At.(PodImages)
		if !ok {
			return misplaced(e, "a manifest")
		}
		for _, c := range byRepo[e.New.Repo] {
			if at.Only != nil && !at.Only(c.ref) {
				continue
			}
			d.declare(e.Track, c.ref)
			if err := d.write(c.image, claim{e.Track, c.ref.With(e.New.Tag, e.New.Digest).String()}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Images are the images of all containers in a Manifests file, in its order.
func Images(src []byte) ([]image.Ref, error) {
	t, err := parse(src)
	if err != nil {
		return nil, err
	}
	l := lister{draft: newDraft(t), seen: map[*yaml.Node]bool{}}
	for _, doc := range l.docs {
		l.resource(doc.Content[0])
	}
	var refs []image.Ref
	for _, c := range l.containers {
		refs = append(refs, c.ref)
	}
	return refs, l.err
}

// container is a container of some pod.
type container struct {
	image slot
	ref   image.Ref
}

// lister collects the containers of a file.
type lister struct {
	*draft
	containers []container
	seen       map[*yaml.Node]bool // containers, and items of lists, that are listed already
	name       string              // of the resource in hand: "Deployment/web"
	err        error
}

// resource collects the containers of a resource, or of those of a list. What is
// no resource, and what holds other things under the same names, has none.
func (l *lister) resource(n *yaml.Node) {
	kind := l.text(n, "kind")
	switch kind {
	case "", "CustomResourceDefinition", "ConfigMap", "Secret":
		return
	}
	if l.text(n, "apiVersion") == "" {
		return
	}
	if strings.HasSuffix(kind, "List") {
		// A list may hold an alias to itself, or the same alias many times over.
		if items := l.value(n, "items"); items != nil && !l.seen[items] {
			l.seen[items] = true
			for _, item := range items.Content {
				l.resource(item)
			}
		}
		return
	}
	l.name = kind
	if meta := l.value(n, "metadata"); meta != nil {
		if name := l.text(meta, "name"); name != "" {
			l.name += "/" + name
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch keyOf(n.Content[i]) {
		case "metadata", "status", "data", "stringData":
		default:
			l.walk(n.Content[i], n.Content[i+1])
		}
	}
}

// walk looks for pod specs: maps under the key spec that have containers. It
// does not follow aliases, whose anchors it passes anyway.
func (l *lister) walk(key, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		if keyOf(key) == "spec" {
			l.podSpec(n)
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			l.walk(n.Content[i], n.Content[i+1])
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			l.walk(n, item)
		}
	case yaml.AliasNode:
		// The anchor may stand where it is no pod spec.
		if m := target(n); keyOf(key) == "spec" && m.Kind == yaml.MappingNode {
			l.podSpec(m)
		}
	}
}

func (l *lister) podSpec(n *yaml.Node) {
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		l.pod(n, list)
	}
}

// pod collects the containers of one list of a pod spec.
func (l *lister) pod(spec *yaml.Node, key string) {
	list := l.value(spec, key)
	if list == nil || list.Kind != yaml.SequenceNode {
		return
	}
	for i, item := range list.Content {
		m := target(item)
		if m.Kind != yaml.MappingNode || l.seen[m] {
			continue
		}
		l.seen[m] = true
		name := l.text(m, "name")
		if name == "" {
			name = strconv.Itoa(i)
		}
		s, err := l.slot(m, "image", l.name+": "+key+"["+name+"].image")
		if err != nil && l.err == nil {
			l.err = err
		}
		text, ok := l.said(s.node)
		if !ok {
			continue
		}
		if ref, err := image.ParseRef(text); err == nil {
			l.containers = append(l.containers, container{s, ref})
		}
	}
}

// value is what stands at a key of the mapping m, nil if nothing does.
func (l *lister) value(m *yaml.Node, key string) *yaml.Node {
	if m.Kind != yaml.MappingNode {
		return nil
	}
	s, err := l.slot(m, key, l.name)
	if err != nil && l.err == nil {
		l.err = err
	}
	return target(s.node)
}

// text is the scalar at a key of the mapping m, "" if there is none.
func (l *lister) text(m *yaml.Node, key string) string {
	n := l.value(m, key)
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}
