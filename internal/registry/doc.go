// Package registry asks container registries for tags and manifests, by the
// OCI distribution specification 1.1 and its predecessor, Docker's registry
// API v2.
//
// An answer is whole or it is an error: a list of tags has every page, a
// manifest has the digest it is asked by. Errors wrap the facts of package
// fault and name the repository, what the registry said, and where the
// credential comes from; they never hold a secret.
//
//	fault.ErrDenied       401 and 403, from the registry or its token server
//	fault.ErrNotFound     404 for a repository
//	fault.ErrUnavailable  429, 5xx, time-outs, refused connections, certificates,
//	                      and bodies that break off, do not parse, are too large,
//	                      go in circles or have the wrong digest
//	fault.ErrSuspect      an index whose manifest is gone
//
// A request is tried again where its failure may pass, as Retry-After asks
// for. Everything is bounded: tries, pauses, bytes, pages, tags, redirects. A
// credential goes to the registry and to the token server that the registry
// names over the same security, and nowhere else. Manifests and configurations
// are kept by digest for each repository and credential; tags and their
// digests are asked for each time.
//
// It writes nothing to a registry, starts no goroutine and reads no
// environment but the proxy settings of net/http.
package registry
