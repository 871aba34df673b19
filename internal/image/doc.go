// Package image holds the words for container images: Repo, Ref, Digest and
// Platform. Each is parsed once, at the door, into a small comparable value;
// after that nobody splits strings at colons any more.
//
// A Repo is canonical: nginx, docker.io/nginx and
// index.docker.io/library/nginx are one Repo. A Ref remembers besides how its
// repository was written, because a name that a person chose is written back
// as the person wrote it.
//
// The package refuses what the reference grammar of the OCI distribution
// specification refuses; it never repairs a name.
package image
