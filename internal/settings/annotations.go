package settings

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/nearest"
)

// keyImageList makes an Application a managed one.
const keyImageList = "image-list"

// maxImages bounds an image list, whose author is not the owner of the updater.
const maxImages = 500

// Managed reports whether the Application asks for updates by annotations.
func Managed(app argo.Application) bool {
	_, ok := app.Annotations[Prefix+keyImageList]
	return ok
}

// Unmanaged tells why an Application that has annotations of ours is left alone;
// "" for one that has none, and for one that is managed.
func Unmanaged(app argo.Application) string {
	if Managed(app) {
		return ""
	}
	keys := newReader(app).values
	if len(keys) == 0 {
		return ""
	}
	text := "left alone: it has annotations " + Prefix + "…, and no image-list among them"
	if near := nearest.Word(keyImageList, slices.Sorted(maps.Keys(keys)), 3); near != "" {
		text += fmt.Sprintf(": is %s meant to be it?", near)
	}
	return text
}

// FromAnnotations reads the settings of an Application from its annotations.
//
// What is wrong with one image is in the Err of its Track, also where the
// value stands for all images. What is wrong with the write-back, or an image
// list without an image, is returned; the error joins a *ValueError for each
// wrong value.
//
// A value is trimmed. One that is present and empty means the built-in default,
// also for an image where the Application has another default.
func FromAnnotations(app argo.Application, d Defaults) (Update, error) {
	return readAnnotations(newReader(app), d)
}

func readAnnotations(r *reader, d Defaults) (Update, error) {
	entries := parseImageList(r.application(keyImageList).text)
	switch {
	case len(entries) == 0:
		r.fail(r.application(keyImageList), "no image in it: [<alias>=]<image>[:<constraint>], separated by commas, expected")
	case len(entries) > maxImages:
		r.fail(value{key: keyImageList}, fmt.Sprintf("%d images: at most %d are followed for one Application", len(entries), maxImages))
	}
	u, err := r.update(r.writeBack(d), entries, d)
	if err != nil {
		return Update{}, err
	}
	r.warnOfKeys(entries)
	u.Warnings = r.warnings
	return u, nil
}

// update reads the images; the error is what was found wrong before that.
func (r *reader) update(w WriteBack, entries []listEntry, d Defaults) (Update, error) {
	if err := r.err(); err != nil {
		return Update{}, err
	}
	u := Update{WriteBack: w}
	for _, entry := range entries {
		u.Tracks = append(u.Tracks, r.track(entry, d))
	}
	r.refuseDoubles(entries, u.Tracks)
	u.Warnings = r.warnings
	return u, nil
}

// refuseDoubles sets the error of Tracks that cannot be told apart.
func (r *reader) refuseDoubles(entries []listEntry, tracks []Track) {
	same := map[string][]string{}
	for _, e := range entries {
		if e.err == nil {
			same[e.identity()] = append(same[e.identity()], strconv.Quote(e.text))
			if e.identity() != e.name() {
				same[e.name()] = append(same[e.name()], strconv.Quote(e.text))
			}
		}
	}
	for i, e := range entries {
		texts := same[e.identity()]
		if len(texts) < 2 {
			texts = same[e.name()] // an alias may be the name of another image
		}
		if e.err == nil && len(texts) > 1 {
			own := r.of(e)
			own.fail(value{key: e.key}, strings.Join(texts, " and ")+" cannot be told apart: give each an alias of its own")
			tracks[i].Err = own.err()
		}
	}
}

// value is the value of a key and where it was found.
type value struct {
	key  string   // where it stands: the annotation without Prefix, or the path of a field
	text string   // trimmed; "" if absent
	list []string // of a field that is a list; nil for others
}

// items are the elements of a list. In an annotation commas separate them.
func (v value) items() []string {
	if v.list != nil {
		return v.list
	}
	return splitList(v.text)
}

// reader reads the settings of one Application and gathers what is to be said
// about them. Whether they are annotations or fields of an ImageUpdater, they
// are known by the keys of the annotations.
type reader struct {
	values   map[string]value // those that are present, by key without Prefix
	owner    string           // of fields: "imageupdater argocd/web"; "" for annotations
	object   string           // what a wrong value is wrong for
	errs     []error
	warnings []string
}

func newReader(app argo.Application) *reader {
	r := &reader{values: map[string]value{}, object: "application " + app.String()}
	for key, text := range app.Annotations {
		if key, ok := strings.CutPrefix(key, Prefix); ok {
			r.values[key] = value{key: key, text: strings.TrimSpace(text)}
		}
	}
	return r
}

// of is a reader of the same settings for one image.
func (r *reader) of(e listEntry) *reader {
	own := &reader{values: r.values, owner: r.owner, object: "image " + e.name(), warnings: r.warnings}
	if r.owner != "" {
		own.object = r.owner + ", " + own.object
	}
	return own
}

// application is the value of a key for the whole Application.
func (r *reader) application(key string) value {
	if v, ok := r.values[key]; ok {
		return v
	}
	return value{key: key}
}

// word is what a key is called where it is to be set.
func (r *reader) word(key string) string {
	if r.owner != "" {
		return fields[key]
	}
	return key
}

func (r *reader) fail(v value, reason string) {
	r.errs = append(r.errs, &ValueError{Object: r.object, Key: v.key, Value: v.text, Reason: reason})
}

// err joins what was found wrong; a single error stays itself.
func (r *reader) err() error {
	if len(r.errs) == 1 {
		return r.errs[0]
	}
	return errors.Join(r.errs...)
}

// warn says something once.
func (r *reader) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if r.owner != "" {
		text = r.owner + ": " + text
	}
	if !slices.Contains(r.warnings, text) {
		r.warnings = append(r.warnings, text)
	}
}

// parseBool reads a truth value; fallback where there is none.
func (r *reader) parseBool(v value, fallback bool) bool {
	if v.text == "" {
		return fallback
	}
	b, err := strconv.ParseBool(v.text)
	if err != nil {
		r.fail(v, "true or false expected")
	}
	return b
}
