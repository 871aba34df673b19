// Package git reads files at a branch and puts commits on it, without a work
// tree, and without a git program except for repositories on the local disk.
//
// Only what is needed travels: where the server offers partial clone, one
// request brings the trees of a commit and one more all the files that are
// asked for; elsewhere the files of the branch come once. What was read stays
// in memory, within a bound, so that a branch that has not moved costs one look
// at it. A push is compare-and-swap: it names the commit that the branch has to
// be at, and nothing is ever forced.
//
// The package refuses repositories of SHA-256 objects, paths that a symbolic
// link leads out of the repository, and SSH servers whose key nobody vouched
// for.
package git
