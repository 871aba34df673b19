// Package kubeapi runs a Kubernetes control plane for tests: a real
// kube-apiserver and the etcd behind it, on the loopback interface, with
// role-based access control and with Argo CD's kinds Application and
// AppProject.
//
// Nothing here imitates, and nothing runs besides: there are no controllers, so
// a namespace that is deleted stays Terminating, no owner is followed by what it
// owns, and no namespace has a default ServiceAccount. There are no nodes, so no
// Pod runs.
//
// Both servers are built from their own modules, which apiserver/go.mod pins.
// That module stands apart because Kubernetes replaces all k8s.io modules with
// those of its own version, and the updater uses later ones. etcd is built there
// too: Kubernetes depends on its packages, so it takes seconds more. Debian's
// etcd-server would do as well, but has to be installed, and starts a service.
package kubeapi
