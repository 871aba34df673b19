package argo

import (
	"encoding/json"
	"fmt"
	"regexp"

	"sigs.k8s.io/yaml"
)

// manifest is an Application as it is written, as far as it is read here.
type manifest struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name        string    `json:"name"`
		Namespace   string    `json:"namespace"`
		UID         string    `json:"uid"`
		Version     string    `json:"resourceVersion"`
		Labels      stringMap `json:"labels"`
		Annotations stringMap `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Project  string      `json:"project"`
		Where    Destination `json:"destination"`
		Source   *Source     `json:"source"`
		Sources  []Source    `json:"sources"`
		Hydrator *struct {
			DrySource Source `json:"drySource"`
		} `json:"sourceHydrator"`
	} `json:"spec"`
	Status struct {
		SourceType  Type   `json:"sourceType"`
		SourceTypes []Type `json:"sourceTypes"`
		Summary     *struct {
			Images []string `json:"images"`
		} `json:"summary"`
	} `json:"status"`
}

// stringMap is a map of strings that says which key holds something else. An
// unquoted true or 1.20 would be refused by the Kubernetes API too, but without
// telling where it stands.
type stringMap map[string]string

// metadataError is what is wrong with labels or annotations.
type metadataError struct{ text string }

func (e *metadataError) Error() string { return "metadata: " + e.text }

// UnmarshalJSON refuses values that are no strings and names their key.
func (m *stringMap) UnmarshalJSON(b []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return &metadataError{"labels and annotations are maps of strings"}
	}
	*m = make(stringMap, len(raw))
	for key, value := range raw {
		var s *string
		if err := json.Unmarshal(value, &s); err != nil {
			return &metadataError{fmt.Sprintf("%s: %s is not a string: put it in quotes", key, value)}
		}
		if s != nil {
			(*m)[key] = *s
		} else {
			(*m)[key] = ""
		}
	}
	return nil
}

// namePattern is the rule of Kubernetes for names (RFC 1123 subdomain). It is
// checked because names become parts of file names and branches.
var namePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

// Decode reads one Application from a YAML or JSON document. A missing
// namespace stays missing. A document of another kind, without a proper name
// or with a key twice is an error.
func Decode(doc []byte) (Application, error) {
	text, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return Application{}, err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return Application{}, explain(err)
	}
	key, err := m.key()
	if err != nil {
		return Application{}, err
	}
	return m.application(key), nil
}

// key is the name under which files and branches may be made.
func (m manifest) key() (Key, error) {
	key := Key{Namespace: m.Metadata.Namespace, Name: m.Metadata.Name}
	switch {
	case m.Kind != "" && m.Kind != "Application":
		return Key{}, fmt.Errorf("kind %q: an Application expected", m.Kind)
	case !namePattern.MatchString(key.Name):
		return Key{}, fmt.Errorf("application name %q: lower-case letters, digits, - and . expected; a template has to be rendered first", key.Name)
	case key.Namespace != "" && !namePattern.MatchString(key.Namespace):
		return Key{}, fmt.Errorf("application %s: namespace %q: lower-case letters, digits and - expected", key.Name, key.Namespace)
	}
	return key, nil
}

func (m manifest) application(key Key) Application {
	app := Application{
		Key:         key,
		Annotations: m.Metadata.Annotations,
		Labels:      m.Metadata.Labels,
		Project:     m.Spec.Project,
		Destination: m.Spec.Where,
		UID:         m.Metadata.UID,

		ResourceVersion: m.Metadata.Version,
	}
	// The order is Argo CD's own: a hydrator excludes the rest, and sources
	// win over source.
	switch {
	case m.Spec.Hydrator != nil:
		app.Sources, app.Hydrated = []Source{m.Spec.Hydrator.DrySource}, true
	case len(m.Spec.Sources) > 0:
		app.Sources, app.Multi = m.Spec.Sources, true
		app.Status.Types = m.Status.SourceTypes
	case m.Spec.Source != nil:
		app.Sources = []Source{*m.Spec.Source}
		if m.Status.SourceType != TypeUnknown {
			app.Status.Types = []Type{m.Status.SourceType}
		}
	}
	if m.Status.Summary != nil {
		app.Status.Reported = true
		app.Status.Images = m.Status.Summary.Images
	}
	return app
}
