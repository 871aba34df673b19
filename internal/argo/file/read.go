package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/credential"
)

// maxSize bounds a file, in bytes.
const maxSize = 16 << 20

// reader collects a World. One document is one object, so that a bad one takes
// no other with it.
type reader struct {
	Options
	world  World
	places []place // of world.Applications
}

func (r *reader) problem(at place, err error) {
	r.world.Problems = append(r.world.Problems, Problem{Path: at.path, Line: at.line, Err: err})
}

func (r *reader) read(f source) {
	text, err := readBounded(f.path)
	if err != nil {
		r.problem(place{path: f.path, line: 1}, err)
		return
	}
	for _, doc := range split(text) {
		r.document(f, doc)
	}
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // nothing was written
	text, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = fmt.Errorf("larger than %d MiB: not read", maxSize>>20)
	}
	return text, err
}

// header is what tells an object from others.
type header struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Items      []json.RawMessage `json:"items"`
}

func (r *reader) document(f source, doc document) {
	at := place{path: f.path, line: doc.line}
	object, err := yaml.YAMLToJSONStrict(doc.text)
	if err != nil {
		if !f.named && isTemplate(doc.text) && !looksWanted(doc.text) {
			r.world.Skipped++
			return
		}
		r.problem(at, doc.explain(err))
		return
	}
	r.object(object, at)
}

// explain gives the error in one line and with line numbers of the file instead
// of the document.
func (d document) explain(err error) error {
	padded := append(bytes.Repeat([]byte("\n"), d.line-1), d.text...)
	if _, again := yaml.YAMLToJSONStrict(padded); again != nil {
		err = again
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if isTemplate(d.text) {
		text += " (a template has to be rendered first)"
	}
	return errors.New(text)
}

func isTemplate(text []byte) bool { return bytes.Contains(text, []byte("{{")) }

// looksWanted reports whether somebody will miss what stands in a document
// that does not parse.
func looksWanted(text []byte) bool {
	return bytes.Contains(text, []byte("kind: Application")) && bytes.Contains(text, []byte("argoproj.io"))
}

// place is where an object stands.
type place struct {
	path string
	line int
	item int // 1-based in a List; 0 for a document of its own
}

func (p place) String() string {
	s := fmt.Sprintf("%s:%d", p.path, p.line)
	if p.item > 0 {
		s += fmt.Sprintf(" item %d", p.item)
	}
	return s
}

func (r *reader) object(object []byte, at place) {
	var h header
	if err := json.Unmarshal(object, &h); err != nil {
		return // not an object of Kubernetes: other YAML may stand in a folder
	}
	group, _, _ := strings.Cut(h.APIVersion, "/")
	var err error
	switch {
	case strings.HasSuffix(h.Kind, "List") && at.item == 0:
		for i, item := range h.Items {
			r.object(item, place{path: at.path, line: at.line, item: i + 1})
		}
	case group == "argoproj.io" && h.Kind == "Application":
		err = r.application(object, at)
	case group == "argoproj.io" && h.Kind == "AppProject":
		err = r.project(object)
	case h.APIVersion == "v1" && h.Kind == "Secret":
		err = r.secret(object)
	}
	if err != nil {
		r.problem(at, err)
	}
}

func (r *reader) application(object []byte, at place) error {
	app, err := argo.Decode(object)
	if err != nil {
		return err
	}
	app.Key = r.inNamespace(app.Key)
	app.Origin = at.String()
	r.world.Applications = append(r.world.Applications, app)
	r.places = append(r.places, at)
	return nil
}

func (r *reader) inNamespace(k argo.Key) argo.Key {
	if k.Namespace == "" {
		k.Namespace = r.Namespace
	}
	return k
}

func (r *reader) project(object []byte) error {
	p, err := argo.DecodeProject(object)
	if err != nil {
		return err
	}
	p.Key = r.inNamespace(p.Key)
	if slices.ContainsFunc(r.world.Projects, func(o argo.Project) bool { return o.Key == p.Key }) {
		return fmt.Errorf("project %s stands in the files twice: the first is used", p.Key)
	}
	r.world.Projects = append(r.world.Projects, p)
	return nil
}

func (r *reader) secret(object []byte) error {
	var s struct {
		Metadata struct {
			Name      string            `json:"name"`
			Namespace string            `json:"namespace"`
			Labels    map[string]string `json:"labels"`
		} `json:"metadata"`
		Type       string            `json:"type"`
		Data       map[string][]byte `json:"data"`
		StringData map[string]string `json:"stringData"`
	}
	if err := json.Unmarshal(object, &s); err != nil {
		// The text of the error may hold a value.
		return errors.New("secret does not parse: data holds base64, stringData plain text")
	}
	key := r.inNamespace(argo.Key{Namespace: s.Metadata.Namespace, Name: s.Metadata.Name})
	if _, double := r.world.Secrets[key]; double {
		return fmt.Errorf("secret %s stands in the files twice: the first is used", key)
	}
	if s.Data == nil {
		s.Data = map[string][]byte{}
	}
	for field, text := range s.StringData {
		s.Data[field] = []byte(text)
	}
	r.world.Secrets[key] = credential.Object{Key: key, Type: s.Type, Labels: s.Metadata.Labels, Data: s.Data}
	return nil
}

// dropDoubles takes out Applications that stand in the files more than once:
// which of them is meant cannot be known. The others are sorted.
func (r *reader) dropDoubles() {
	places := map[argo.Key][]place{}
	for i, app := range r.world.Applications {
		places[app.Key] = append(places[app.Key], r.places[i])
	}
	for i, app := range r.world.Applications {
		if all := places[app.Key]; len(all) > 1 && all[0] == r.places[i] {
			r.problem(all[0], fmt.Errorf("application %s stands in the files %d times, at %s: none of them is used", app.Key, len(all), join(all)))
		}
	}
	r.world.Applications = slices.DeleteFunc(r.world.Applications, func(app argo.Application) bool { return len(places[app.Key]) > 1 })
	slices.SortFunc(r.world.Applications, func(a, b argo.Application) int { return compareKeys(a.Key, b.Key) })
}

func join(places []place) string {
	var texts []string
	for _, p := range places {
		texts = append(texts, p.String())
	}
	return strings.Join(texts, " and ")
}
