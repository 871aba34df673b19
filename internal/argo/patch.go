package argo

import "fmt"

// Patch changes some fields of one Application and nothing else: what we do
// not know of it stays as it is.
type Patch struct {
	App Key
	// ResourceVersion is that of the Application which the patch was made from.
	// It is no patch of any other version: the positions in lists would be of
	// other elements.
	ResourceVersion string
	Ops             []Op // applied in this order, all or none
}

// Op is one operation of a JSON Patch (RFC 6902).
type Op struct {
	Op    string `json:"op"`   // "add", "replace" or "test"
	Path  string `json:"path"` // a JSON Pointer (RFC 6901)
	Value any    `json:"value"`
}

// SourcePath is the JSON Pointer of the source with that index in Sources.
func (a Application) SourcePath(i int) string {
	switch {
	case a.Hydrated:
		return "/spec/sourceHydrator/drySource"
	case a.Multi:
		return fmt.Sprintf("/spec/sources/%d", i)
	}
	return "/spec/source"
}
