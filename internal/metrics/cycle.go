package metrics

import (
	"time"

	"argocd-image-updater/internal/plan"
)

// Scope says of what a cycle can tell.
type Scope string

// The scopes.
const (
	Whole Scope = "whole" // every Application was looked at
	Part  Scope = "part"  // some were, because of an event
)

// Results, as values of labels.
const (
	done   = "done"
	failed = "failed"
	lost   = "lost"
)

// Cycle is what there is to say of a cycle that ended.
type Cycle struct {
	Scope Scope
	Begin time.Time
	Took  time.Duration
	// Outcomes of every image that was looked at.
	Outcomes []plan.Outcome
	// Problems are errors of things that are no Application yet, such as a
	// manifest that does not parse.
	Problems []error
	// Err is why nothing could be planned; nothing is known of the fleet then,
	// and what was known before stays.
	Err error
}

// CycleEnded counts a cycle.
func (m *Metrics) CycleEnded(c Cycle) {
	result := done
	if c.Err != nil {
		result = failed
		m.count(c.Err)
	}
	m.cycles.WithLabelValues(string(c.Scope), result).Inc()
	for _, err := range c.Problems {
		m.count(err)
	}
	for _, o := range c.Outcomes {
		if o.State == plan.Failed {
			m.count(o.Err)
		}
	}
	if c.Err != nil {
		return
	}
	m.fleet.add(c.Scope, c.Outcomes)
	if c.Scope != Whole {
		return
	}
	m.duration.Observe(c.Took.Seconds())
	m.last.Set(float64(c.Begin.Add(c.Took).UnixMilli()) / 1000)
}

func (m *Metrics) count(err error) { m.errors.WithLabelValues(m.classify(err)).Inc() }
