package cluster

import (
	"net"
	"net/url"
	"path/filepath"
	"sync"

	"argocd-image-updater/test/cluster/kubeapi"
)

// Wire is a way to the API server that can be held up: while it is, nothing
// passes in either direction, and no connection is closed.
type Wire struct {
	listener net.Listener
	server   string

	mu   sync.Mutex
	open chan struct{} // closed while bytes may pass
}

// Wire makes one, for the program of the world: its kubeconfig leads over it.
func (w *World) Wire() *Wire {
	w.Helper()
	config, err := w.Plane.ServiceAccountConfig(w.Context(), w.Namespace, w.ServiceAccount)
	if err != nil {
		w.Fatal(err)
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		w.Fatal(err)
	}
	wire := &Wire{server: server.Host, open: make(chan struct{})}
	close(wire.open)
	if wire.listener, err = (&net.ListenConfig{}).Listen(w.Context(), "tcp", "127.0.0.1:0"); err != nil {
		w.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() { wire.serve(&group) })
	w.Cleanup(func() {
		_ = wire.listener.Close() // serve ends with it
		wire.Mend()
	})
	config.Host = "https://" + wire.listener.Addr().String()
	w.Kubeconfig = filepath.Join(w.dir, "kubeconfig-wire")
	if err := kubeapi.WriteKubeconfig(w.Kubeconfig, config, w.Namespace); err != nil {
		w.Fatal(err)
	}
	return wire
}

// Stall lets nothing pass any more.
func (r *Wire) Stall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = make(chan struct{})
}

// Mend lets everything pass again, also what was held up.
func (r *Wire) Mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.open:
	default:
		close(r.open)
	}
}

func (r *Wire) pass() {
	r.mu.Lock()
	open := r.open
	r.mu.Unlock()
	<-open
}

func (r *Wire) serve(group *sync.WaitGroup) {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", r.server) //nolint:noctx // it ends with the server
		if err != nil {
			_ = near.Close()
			continue
		}
		for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
			group.Go(func() { r.copy(way[0], way[1]) })
		}
	}
}

// copy passes on what comes from one side, until either has closed.
func (r *Wire) copy(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		r.pass()
		if _, wrong := to.Write(buffer[:n]); wrong != nil || err != nil {
			return
		}
	}
}
