package edit

// Apply writes the edits into src, which is nil for a file that does not exist
// yet. The error is a *RefusedError; src is never changed.
func Apply(src []byte, f Format, edits ...Edit) (Result, error) { return Result{}, nil }

func (e *RefusedError) Error() string { return e.Reason }

func (HelmParameters) place() {}
func (KustomizeImage) place() {}
func (PluginEnv) place()      {}
func (HelmValues) place()     {}
func (PodImages) place()      {}
