// Package argoserver imitates the API server of Argo CD as far as the updater
// speaks to it: Applications to list, get, patch, refresh and stream, and the
// sync windows of each, over the REST gateway and with Argo CD's own RBAC.
//
// It is the one imitation among the servers of the tests, since the real one
// needs Kubernetes, Redis and a repository server. What it answers was read off
// the published description of the API and compared with the source of Argo
// CD 3.6; where the two are lax it is strict, so that a misspelt parameter
// fails a test: it refuses query parameters and fields of a body that it does
// not know, where the real gateway passes over them.
//
// Not imitated: the check of a patched Application against its repository,
// paging (there is none), and the other services.
package argoserver
