package settings

import "strconv"

// ValueError is a setting that cannot be used.
type ValueError struct {
	Object string // "image myapp", "application team/web"
	Key    string // as it is written, without Prefix: "myapp.update-strategy"
	Value  string // "" if the value says nothing, or must not be shown
	Reason string // what is wrong and what would be right
}

// Error is object: key "value": reason.
func (e *ValueError) Error() string {
	s := e.Object + ": " + e.Key
	if e.Value != "" {
		s += " " + strconv.Quote(e.Value)
	}
	return s + ": " + e.Reason
}
