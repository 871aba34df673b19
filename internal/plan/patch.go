package plan

import (
	"strconv"

	"argocd-image-updater/internal/argo"
)

// patchSource is what has to be done to a source at a JSON Pointer to give it
// the parameters of after. A list is only ever extended, and of an element that
// is there only its value is written: fields that we do not know stay.
//
// Members of objects are written with add, which also replaces: Argo CD leaves
// empty ones out, and nothing can be replaced that is not there.
func patchSource(at string, before argo.Source, after parameters) []argo.Op {
	var ops []argo.Op
	if after.Helm != nil {
		l := list{at: at + "/helm", key: "parameters", block: before.Helm != nil}
		if before.Helm != nil {
			l.length = len(before.Helm.Parameters)
		}
		ops = append(ops, patchHelm(l, before.Helm, after.Helm.Parameters)...)
	}
	if after.Kustomize != nil {
		l := list{at: at + "/kustomize", key: "images", block: before.Kustomize != nil}
		if before.Kustomize != nil {
			l.length = len(before.Kustomize.Images)
		}
		ops = append(ops, patchKustomize(l, before.Kustomize, after.Kustomize.Images)...)
	}
	if after.Plugin != nil {
		l := list{at: at + "/plugin", key: "env", block: before.Plugin != nil}
		if before.Plugin != nil {
			l.length = len(before.Plugin.Env)
		}
		ops = append(ops, patchPlugin(l, before.Plugin, after.Plugin.Env)...)
	}
	return ops
}

// list is a list in a block of a source.
type list struct {
	at     string // pointer of the block
	key    string // of the list in the block
	block  bool   // the block is there
	length int    // of the list as it is
}

func (l list) element(i int) string { return l.at + "/" + l.key + "/" + strconv.Itoa(i) }

// extend puts elements at the end of the list, which is made if it is missing.
func (l list) extend(elements []any) []argo.Op {
	switch {
	case len(elements) == 0:
		return nil
	case !l.block:
		return []argo.Op{{Op: "add", Path: l.at, Value: map[string]any{l.key: elements}}}
	case l.length == 0:
		return []argo.Op{{Op: "add", Path: l.at + "/" + l.key, Value: elements}}
	}
	ops := make([]argo.Op, 0, len(elements))
	for _, e := range elements {
		ops = append(ops, argo.Op{Op: "add", Path: l.at + "/" + l.key + "/-", Value: e})
	}
	return ops
}

// patchHelm makes sure that what is written stays a string: without
// forceString, Helm takes 1.20 for the number 1.2.
func patchHelm(l list, before *argo.Helm, after []argo.HelmParameter) []argo.Op {
	var ops []argo.Op
	for i := range l.length {
		if before.Parameters[i].Value == after[i].Value {
			continue
		}
		ops = append(ops, argo.Op{Op: "add", Path: l.element(i) + "/value", Value: after[i].Value})
		if !before.Parameters[i].ForceString {
			ops = append(ops, argo.Op{Op: "add", Path: l.element(i) + "/forceString", Value: true})
		}
	}
	var added []any
	for _, p := range after[l.length:] {
		added = append(added, argo.HelmParameter{Name: p.Name, Value: p.Value, ForceString: true})
	}
	return append(ops, l.extend(added)...)
}

func patchKustomize(l list, before *argo.Kustomize, after []string) []argo.Op {
	var ops []argo.Op
	for i := range l.length {
		if before.Images[i] != after[i] {
			ops = append(ops, argo.Op{Op: "replace", Path: l.element(i), Value: after[i]})
		}
	}
	var added []any
	for _, entry := range after[l.length:] {
		added = append(added, entry)
	}
	return append(ops, l.extend(added)...)
}

func patchPlugin(l list, before *argo.Plugin, after []argo.EnvVar) []argo.Op {
	var ops []argo.Op
	for i := range l.length {
		if before.Env[i].Value != after[i].Value {
			ops = append(ops, argo.Op{Op: "add", Path: l.element(i) + "/value", Value: after[i].Value})
		}
	}
	var added []any
	for _, v := range after[l.length:] {
		added = append(added, v)
	}
	return append(ops, l.extend(added)...)
}
