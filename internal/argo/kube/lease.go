package kube

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	coordination "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"argocd-image-updater/internal/argo"
	"argocd-image-updater/internal/fault"
)

// Lease is one object that replicas compete for. It is used by one goroutine at
// a time.
type Lease struct {
	api  *api
	key  argo.Key
	last coordination.Lease // as it was seen last; without a version if there is none
}

// LeaseRecord is what a Lease says (Kubernetes API reference, LeaseSpec). Times
// are kept to the microsecond, durations to the second.
type LeaseRecord struct {
	Holder      string
	Duration    time.Duration
	Acquired    time.Time
	Renewed     time.Time
	Transitions int
}

// Lease is the Lease of a name. Nothing is asked yet.
func (c *Client) Lease(key argo.Key) *Lease { return &Lease{api: c.api, key: key} }

func (l *Lease) target(verb string) target {
	return target{verb: verb, resource: coordination.SchemeGroupVersion.WithResource("leases"), namespace: l.key.Namespace, name: l.key.Name}
}

// Get reads the Lease. It wraps fault.ErrNotFound if there is none.
func (l *Lease) Get(ctx context.Context) (LeaseRecord, error) {
	err := l.exchange(ctx, l.target("get"), nil)
	if errors.Is(err, fault.ErrNotFound) {
		l.last = coordination.Lease{}
	}
	if err != nil {
		return LeaseRecord{}, err
	}
	return l.record(), nil
}

// Put makes the Lease, or replaces what Get or Put saw last; labels and what
// else people wrote on it stay. It wraps fault.ErrLostRace if something else is
// there.
func (l *Lease) Put(ctx context.Context, r LeaseRecord) error {
	next, t := l.last, l.target("update")
	if next.ResourceVersion == "" {
		t = l.target("create")
		t.name = ""
	}
	next.TypeMeta = metav1.TypeMeta{APIVersion: coordination.SchemeGroupVersion.String(), Kind: "Lease"}
	next.Namespace, next.Name = l.key.Namespace, l.key.Name
	seconds, transitions := int32(r.Duration/time.Second), int32(r.Transitions)
	next.Spec.HolderIdentity, next.Spec.LeaseDurationSeconds, next.Spec.LeaseTransitions = &r.Holder, &seconds, &transitions
	next.Spec.AcquireTime, next.Spec.RenewTime = &metav1.MicroTime{Time: r.Acquired}, &metav1.MicroTime{Time: r.Renewed}
	return l.exchange(ctx, t, &payload{"application/json", next})
}

// exchange makes a request that the Lease answers.
func (l *Lease) exchange(ctx context.Context, t target, p *payload) error {
	text, err := l.api.call(ctx, t, p)
	if err != nil {
		return err
	}
	var is coordination.Lease
	if err := json.Unmarshal(text, &is); err != nil {
		return t.explain(err)
	}
	l.last = is
	return nil
}

func (l *Lease) record() LeaseRecord {
	spec, r := l.last.Spec, LeaseRecord{}
	if spec.HolderIdentity != nil {
		r.Holder = *spec.HolderIdentity
	}
	if spec.LeaseDurationSeconds != nil {
		r.Duration = time.Duration(*spec.LeaseDurationSeconds) * time.Second
	}
	if spec.LeaseTransitions != nil {
		r.Transitions = int(*spec.LeaseTransitions)
	}
	if spec.AcquireTime != nil {
		r.Acquired = spec.AcquireTime.Time
	}
	if spec.RenewTime != nil {
		r.Renewed = spec.RenewTime.Time
	}
	return r
}
