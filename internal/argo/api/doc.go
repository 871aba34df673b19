// Package api takes Applications from the API server of Argo CD, over its REST
// gateway and with the token of an Argo CD account, so that the updater needs
// no access to the cluster that Argo CD runs in.
//
// An answer is whole or it is an error, which wraps a fact of package fault and
// says what the server said:
//
//	fault.ErrDenied       401 and 403
//	fault.ErrNotFound     404
//	fault.ErrLostRace     a patch of another version than the server has
//	fault.ErrRefused      400, and what else the server will not do
//	fault.ErrUnavailable  408, 429, 5xx, time-outs, refused connections, certificates,
//	                      redirects, and answers that are cut, too large or no JSON, such
//	                      as the login page of a proxy
//
// Three things are as Argo CD makes them. An account without the right to get an
// Application is not told that it exists: a list is shorter then, and no error.
// The gateway leaves fields out of a list only together with resource version,
// identity and type, so lists are taken whole and trimmed here, one Application
// at a time. And a patch goes through the server's own Go types; see
// [Client.Patch] for what that costs.
//
// The token is sent to the one server that was named, never on to where a
// redirect leads, and stands in no URL and no error. What the server sends is
// bounded, each Application and all of them together. gRPC-Web is not spoken:
// REST passes every proxy that lets gRPC-Web pass.
package api
