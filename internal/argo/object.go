package argo

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// MalformedError tells that an object of an API is no proper Application: a
// field holds something else than it should. Other objects are not concerned.
type MalformedError struct {
	App Key // as far as it could be read
	Err error
}

// Error is the Application, the field and what should stand there.
func (e *MalformedError) Error() string { return fmt.Sprintf("application %s: %v", e.App, e.Err) }

// Unwrap gives Err.
func (e *MalformedError) Unwrap() error { return e.Err }

// DecodeObject reads one Application as an API gives it, in JSON. If it is JSON
// but no proper Application the error is a *MalformedError, and the
// Application is its identity alone: Key, UID and ResourceVersion as far as
// they could be read.
func DecodeObject(object []byte) (Application, error) {
	var m manifest
	err := json.Unmarshal(object, &m)
	return m.object(err)
}

// DecodeNext is DecodeObject for the next value of a JSON stream. After a
// *MalformedError the stream can be read on.
func DecodeNext(from *json.Decoder) (Application, error) {
	var m manifest
	err := from.Decode(&m)
	return m.object(err)
}

// object is what came out of decoding a manifest that ended with err.
func (m manifest) object(err error) (Application, error) {
	app := Application{
		Key:             Key{Namespace: m.Metadata.Namespace, Name: m.Metadata.Name},
		UID:             m.Metadata.UID,
		ResourceVersion: m.Metadata.Version,
	}
	var field *json.UnmarshalTypeError
	var metadata *metadataError
	switch {
	case errors.As(err, &field), errors.As(err, &metadata):
		err = explain(err)
	case err != nil:
		return Application{}, err
	default:
		if _, err = m.key(); err == nil {
			return m.application(app.Key), nil
		}
	}
	return app, &MalformedError{App: app.Key, Err: err}
}

// explain says of a field with a value of the wrong type what should stand
// there instead.
func explain(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	field := wrong.Field
	if field == "" {
		field = "the document"
	}
	value, _, _ := strings.Cut(wrong.Value, " ") // "number 1.5" of a field that takes integers
	return fmt.Errorf("%s: %s stands where %s belongs: correct it", field, valueName(value), typeName(wrong.Type))
}

// valueName says what encoding/json found.
func valueName(value string) string {
	switch value {
	case "object":
		return "a map"
	case "array":
		return "a list"
	case "bool":
		return "true or false"
	}
	return "a " + value
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	}
	return "a map"
}
