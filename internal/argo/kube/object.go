package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"argocd-image-updater/internal/argo"
)

// object is one object of a list or a watch, trimmed to what is read of it. It
// is a runtime.Object so that a cache.Reflector can carry it.
type object[T any] struct {
	// ObjectMeta holds Name, Namespace and ResourceVersion, and the Annotations
	// of a bookmark.
	metav1.ObjectMeta
	value T
	err   error // why value cannot be used
}

// GetObjectKind is of no kind: nobody asks for it.
func (*object[T]) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject is the object itself, which nobody changes.
func (o *object[T]) DeepCopyObject() runtime.Object { return o }

func (o *object[T]) key() argo.Key { return argo.Key{Namespace: o.Namespace, Name: o.Name} }

// list is a page of objects.
type list[T any] struct {
	metav1.ListMeta
	Items []*object[T]
}

// GetObjectKind is of no kind: nobody asks for it.
func (*list[T]) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject is the list itself, which nobody changes.
func (l *list[T]) DeepCopyObject() runtime.Object { return l }

// decoder reads the next object of a stream. An error is one of the stream; an
// object that is not as it should be has its own.
type decoder[T any] func(from *json.Decoder) (*object[T], error)

// decodeList reads a list object by object, so that no page is ever held as it
// came. The list is whole or there is an error.
func decodeList[T any](from io.Reader, decode decoder[T]) (*list[T], error) {
	bounded := &bounded{from: from}
	dec := json.NewDecoder(bounded)
	if err := expect(dec, json.Delim('{')); err != nil {
		return nil, err
	}
	l, whole := &list[T]{}, false
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		switch key {
		case "metadata":
			err = dec.Decode(&l.ListMeta)
		case "items":
			whole = true
			l.Items, err = decodeItems(dec, bounded, decode)
		default:
			err = dec.Decode(&json.RawMessage{})
		}
		if err != nil {
			return nil, err
		}
	}
	if err := expect(dec, json.Delim('}')); err != nil {
		return nil, err
	}
	if !whole || l.ResourceVersion == "" {
		return nil, errors.New("the answer is no list of objects")
	}
	return l, nil
}

func decodeItems[T any](dec *json.Decoder, bounded *bounded, decode decoder[T]) ([]*object[T], error) {
	open, err := dec.Token()
	if err != nil || open == nil { // null, as Go writes a list of none
		return nil, err
	}
	if open != json.Delim('[') {
		return nil, fmt.Errorf("items: %v stands where a list belongs", open)
	}
	var items []*object[T]
	for dec.More() {
		bounded.read = 0
		o, err := decode(dec)
		if err != nil {
			return nil, err
		}
		items = append(items, o)
	}
	return items, expect(dec, json.Delim(']'))
}

// expect reads the tokens that have to come now.
func expect(dec *json.Decoder, tokens ...json.Token) error {
	for _, want := range tokens {
		got, err := dec.Token()
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("the answer is not as expected: %v instead of %v", got, want)
		}
	}
	return nil
}

// bounded ends a stream when more than maxObject bytes were read since read
// was last set to 0.
type bounded struct {
	from io.Reader
	read int
}

// Read reads from the stream.
func (b *bounded) Read(p []byte) (int, error) {
	if b.read > maxObject {
		return 0, fmt.Errorf("an object is larger than %d MiB", maxObject>>20)
	}
	n, err := b.from.Read(p)
	b.read += n
	return n, err
}

// whole reads the text and the metadata of the next object: of a kind that is
// small and few, so that reading it twice does not matter.
func whole[T any](from *json.Decoder) (json.RawMessage, *object[T], error) {
	var text json.RawMessage
	if err := from.Decode(&text); err != nil {
		return nil, nil, err
	}
	var m struct {
		metav1.ObjectMeta `json:"metadata"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, nil, err // the API server makes the metadata
	}
	m.ManagedFields = nil
	return text, &object[T]{ObjectMeta: m.ObjectMeta}, nil
}

// sameGeneration reports whether two versions of an object have one spec.
func sameGeneration[T any](a, b *object[T]) bool {
	return a.UID == b.UID && a.Generation == b.Generation
}
