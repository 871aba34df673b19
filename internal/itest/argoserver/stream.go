package argoserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/labels"
)

// buffer is how many events wait for a slow client; more are lost, as with the
// real server.
const buffer = 1000

// stream is an open stream.
type stream struct {
	account  string
	selector labels.Selector
	since    int // version; older ones are not sent
	exclude  []string
	lines    bool // plain lines instead of server-sent events
	events   chan event
	done     chan struct{}
	once     sync.Once
	// last is what was sent last by name: the same again is not sent, whatever
	// its namespace.
	last map[string]string
}

type event struct {
	kind string
	app  *app
}

func (st *stream) end() { st.once.Do(func() { close(st.done) }) }

// stream sends what is there, unless a version is named, and then what happens.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, account string) *refusal {
	if no := known(r, "selector", "resourceVersion", "fields"); no != nil {
		return no
	}
	query := r.URL.Query()
	selector, err := labels.Parse(query.Get("selector"))
	if err != nil {
		return &refusal{Unknown, "error parsing labels with selectors: " + err.Error()}
	}
	fields, exclude := strings.CutPrefix(query.Get("fields"), "-")
	if fields != "" && !exclude {
		return &refusal{InvalidArgument, "fields: only those to leave out are imitated"}
	}
	st := &stream{
		account: account, selector: selector, exclude: strings.Split(fields, ","),
		lines:  r.Header.Get("Accept") != "text/event-stream",
		events: make(chan event, buffer), done: make(chan struct{}), last: map[string]string{},
	}
	var present []*app
	s.mu.Lock()
	if version := query.Get("resourceVersion"); version != "" {
		st.since, _ = strconv.Atoi(version) // as the real server: what is no number is 0
	} else {
		present = s.sorted()
	}
	s.streams[st] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.streams, st)
		s.mu.Unlock()
	}()
	if !st.lines {
		w.Header().Set("Content-Type", "text/event-stream")
	}
	for _, a := range present {
		s.send(w, st, event{"ADDED", a})
	}
	s.follow(w, r, st)
	return nil
}

// follow sends events and comments until one side hangs up.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, st *stream) {
	quiet := time.NewTicker(s.options.KeepAlive)
	defer quiet.Stop()
	for {
		select {
		case e := <-st.events:
			s.send(w, st, e)
		case <-quiet.C:
			if !st.lines {
				_, _ = w.Write([]byte(":\n"))
				_ = http.NewResponseController(w).Flush()
			}
		case <-r.Context().Done():
			return
		case <-st.done:
			panic(http.ErrAbortHandler)
		}
	}
}

func (s *Server) send(w http.ResponseWriter, st *stream, e event) {
	if e.app.version < st.since || !st.selector.Matches(labels.Set(e.app.labels)) || !s.may(st.account, "get", e.app) {
		return
	}
	text := st.render(e)
	if st.last[e.app.name] == text {
		return
	}
	st.last[e.app.name] = text
	if st.lines {
		fmt.Fprintf(w, "%s\n", text)
	} else {
		fmt.Fprintf(w, "data: %s \n\n\n", text)
	}
	_ = http.NewResponseController(w).Flush()
}

// render writes an event without the fields to leave out.
func (st *stream) render(e event) string {
	var object any
	if err := json.Unmarshal(e.app.raw, &object); err != nil {
		return "{}"
	}
	message := map[string]any{"result": map[string]any{"type": e.kind, "application": object}}
	for _, field := range st.exclude {
		remove(message, "", field)
	}
	text, err := json.Marshal(message)
	if err != nil {
		return "{}"
	}
	return string(text)
}

// remove deletes what has the path field, whose elements are put together with
// dots even where they hold some.
func remove(at map[string]any, path, field string) {
	for name, value := range at {
		here := path + name
		if here == field {
			delete(at, name)
		} else if below, ok := value.(map[string]any); ok && strings.HasPrefix(field, here+".") {
			remove(below, here+".", field)
		}
	}
}

// notify tells the streams. The caller holds the lock.
func (s *Server) notify(kind string, a *app) {
	for st := range s.streams {
		select {
		case st.events <- event{kind, a}:
		default:
		}
	}
}
