package plan

// stateNames are the words for states in output, status and metrics.
var stateNames = [...]string{
	Pending: "Pending", Updated: "Updated", AlreadyDeclared: "AlreadyDeclared", NothingEligible: "NothingEligible",
	NotLive: "NotLive", Held: "Held", Undecided: "Undecided", Failed: "Failed",
}

// String is the name of the state.
func (s State) String() string { return stateNames[s] }

// States are all states, in their order.
func States() []State {
	all := make([]State, 0, len(stateNames))
	for i := range stateNames {
		all = append(all, State(i))
	}
	return all
}
