package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"argocd-image-updater/internal/fault"
)

// maxRefusal bounds the body of an error answer, in bytes.
const maxRefusal = 64 << 10

// refusal is the error that an answer tells: the Status in it, or what the HTTP
// status means.
func (t target) refusal(resp *http.Response) error {
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // 0 where there is none
	var status metav1.Status
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err != nil || json.Unmarshal(text, &status) != nil || status.Kind != "Status" {
		return apierrors.NewGenericServerResponse(resp.StatusCode, t.verb, t.resource.GroupResource(), t.name, resp.Status, seconds, true)
	}
	status.Status, status.Code = metav1.StatusFailure, int32(resp.StatusCode)
	if seconds > 0 {
		if status.Details == nil {
			status.Details = &metav1.StatusDetails{}
		}
		status.Details.RetryAfterSeconds = int32(min(seconds, 1<<30))
	}
	return &apierrors.StatusError{ErrStatus: status}
}

// code is the HTTP status that an error carries; 0 for none.
func code(err error) int {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return int(status.Status().Code)
	}
	return 0
}

// explain says of an error what was asked for and what can be done, and wraps
// the fact that it is. What it wraps besides stays to be found.
func (t target) explain(err error) error {
	switch c := code(err); {
	case c == http.StatusUnauthorized:
		return fmt.Errorf("%s: %w: %w: the token or certificate that we log in with is wrong or has expired", t, fault.ErrDenied, err)
	case c == http.StatusForbidden:
		return fmt.Errorf("%s: %w: %w: %s", t, fault.ErrDenied, err, t.grant())
	case c == http.StatusNotFound && (t.verb == "list" || t.verb == "watch"):
		return fmt.Errorf("%s: %w: the API server knows no %s of %s: install its CustomResourceDefinition %s", t, fault.ErrNotFound, t.resource.Resource, t.resource.GroupVersion(), t.resource.GroupResource())
	case c == http.StatusNotFound:
		return fmt.Errorf("%s: %w: %w", t, fault.ErrNotFound, err)
	case c == http.StatusConflict:
		return fmt.Errorf("%s: %w: %w", t, fault.ErrLostRace, err)
	case c >= 400 && c < 500 && c != http.StatusGone && c != http.StatusTooManyRequests && c != http.StatusRequestTimeout:
		return fmt.Errorf("%s: %w: %w", t, fault.ErrRefused, err)
	}
	return fmt.Errorf("%s: %w: %w", t, fault.ErrUnavailable, err)
}

// grant is the remedy for a request that RBAC does not allow.
func (t target) grant() string {
	resource := t.resource.Resource
	if t.sub != "" {
		resource += "/" + t.sub
	}
	role := "a Role of namespace " + t.namespace
	if t.namespace == "" {
		role = "a ClusterRole"
	}
	return fmt.Sprintf("let %s grant %q on %q of apiGroup %q to the ServiceAccount that we run as", role, t.verb, resource, t.resource.Group)
}
