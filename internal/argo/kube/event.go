package kube

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"argocd-image-updater/internal/argo"
)

// Severity is the type of an event.
type Severity string

// The types that Kubernetes has.
const (
	Normal  Severity = "Normal"
	Warning Severity = "Warning"
)

// Event is something that happened to an object, as kubectl describe shows it.
type Event struct {
	Of          Reference
	Severity    Severity
	Reason      string // CamelCase
	Message     string
	Annotations map[string]string
}

// Reference names the version of an object that an event is about.
type Reference struct {
	APIVersion string // "argoproj.io/v1alpha1"
	Kind       string // "Application"
	argo.Key
	UID             string
	ResourceVersion string
}

// component is the source of our events, as people who filter them know it.
const component = "ArgocdImageUpdater"

// maxName is the longest name of an object in Kubernetes, in bytes.
const maxName = 253

// event is an Event of core/v1 as it is written.
type event struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Metadata   eventMeta `json:"metadata"`
	Involved   involved  `json:"involvedObject"`
	Source     source    `json:"source"`
	Type       Severity  `json:"type"`
	Reason     string    `json:"reason"`
	Message    string    `json:"message"`
	First      time.Time `json:"firstTimestamp"`
	Last       time.Time `json:"lastTimestamp"`
	Count      int       `json:"count"`
}

type eventMeta struct {
	Namespace   string            `json:"namespace"`
	Name        string            `json:"name"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type involved struct {
	APIVersion      string `json:"apiVersion"`
	Kind            string `json:"kind"`
	Namespace       string `json:"namespace"`
	Name            string `json:"name"`
	UID             string `json:"uid"`
	ResourceVersion string `json:"resourceVersion"`
}

type source struct {
	Component string `json:"component"`
}

// Event writes an event into the namespace of its object. It is called
// <name of the object>.<nanoseconds since 1970 in hexadecimal digits>.
func (c *Client) Event(ctx context.Context, e Event) error {
	now := c.clock().UTC()
	stamp := fmt.Sprintf(".%x", now.UnixNano())
	name := e.Of.Name[:min(len(e.Of.Name), maxName-len(stamp))]
	seconds := now.Truncate(time.Second) // all that a Time of core/v1 holds
	_, err := c.api.call(ctx, target{
		verb:      "create",
		resource:  schema.GroupVersionResource{Version: "v1", Resource: "events"},
		namespace: e.Of.Namespace,
	}, &payload{"application/json", event{
		APIVersion: "v1",
		Kind:       "Event",
		Metadata:   eventMeta{Namespace: e.Of.Namespace, Name: strings.TrimRight(name, ".-") + stamp, Annotations: e.Annotations},
		Involved: involved{
			APIVersion: e.Of.APIVersion, Kind: e.Of.Kind,
			Namespace: e.Of.Namespace, Name: e.Of.Name,
			UID: e.Of.UID, ResourceVersion: e.Of.ResourceVersion,
		},
		Source:  source{Component: component},
		Type:    e.Severity,
		Reason:  e.Reason,
		Message: e.Message,
		First:   seconds,
		Last:    seconds,
		Count:   1,
	}})
	return err
}
