package argo

// Project is an AppProject, trimmed to what limits an update.
type Project struct {
	Key
	// SourceRepos are the globs of repositories that its Applications may use;
	// one with a leading ! takes away. None allow none.
	SourceRepos []string
	Windows     []SyncWindow
}

// SyncWindow is one of spec.syncWindows: a span of time in which
// synchronisation is allowed or denied.
type SyncWindow struct {
	Kind     string `json:"kind"`     // "allow" or "deny"
	Schedule string `json:"schedule"` // five fields of cron
	Duration string `json:"duration"` // a Go duration
	TimeZone string `json:"timeZone"` // IANA name; "" is UTC
	// ManualSync and SyncOverrun do not matter to an automatic sync that has
	// not begun.
	Applications []string `json:"applications"` // globs of names
	Namespaces   []string `json:"namespaces"`   // globs of destination namespaces
	Clusters     []string `json:"clusters"`     // globs of destination clusters, by server or name
	// UseAndOperator: all of the three have to match, instead of any.
	UseAndOperator bool `json:"andOperator"`
}
