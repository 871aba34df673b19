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
	r := newReader(app)
	entries := parseImageList(r.values[keyImageList])
	switch {
	case len(entries) == 0:
		r.fail(r.application(keyImageList), "no image in it: [<alias>=]<image>[:<constraint>], separated by commas, expected")
	case len(entries) > maxImages:
		r.fail(value{key: keyImageList}, fmt.Sprintf("%d images: at most %d are followed for one Application", len(entries), maxImages))
	}
	u := Update{WriteBack: r.writeBack()}
	if err := r.err(); err != nil {
		return Update{}, err
	}
	for _, entry := range entries {
		u.Tracks = append(u.Tracks, r.track(entry, d))
	}
	refuseDoubles(entries, u.Tracks)
	r.warnOfKeys(entries)
	u.Warnings = r.warnings
	return u, nil
}

// refuseDoubles sets the error of Tracks that cannot be told apart.
func refuseDoubles(entries []listEntry, tracks []Track) {
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
			tracks[i].Err = &ValueError{Object: "image " + e.name(), Key: keyImageList,
				Reason: strings.Join(texts, " and ") + " cannot be told apart: give each an alias of its own"}
		}
	}
}

// value is the value of a key and where it was found.
type value struct {
	key  string // as it stands in the annotations, without Prefix
	text string // trimmed; "" if absent
}

// reader reads the annotations of one Application and gathers what is to be
// said about them.
type reader struct {
	values   map[string]string // trimmed, by key without Prefix
	object   string
	errs     []error
	warnings []string
}

func newReader(app argo.Application) *reader {
	r := &reader{values: map[string]string{}, object: "application " + app.String()}
	for key, text := range app.Annotations {
		if key, ok := strings.CutPrefix(key, Prefix); ok {
			r.values[key] = strings.TrimSpace(text)
		}
	}
	return r
}

// application is the value of a key for the whole Application.
func (r *reader) application(key string) value { return value{key, r.values[key]} }

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
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.warnings, text) {
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
