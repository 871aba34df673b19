// Package itest is the world of the tests, in process and on the loopback
// interface alone: a Git server that speaks smart HTTP through git's own
// programs, a registry, images to push, and a front before each server that
// counts what passes and does the harm that servers do in the field.
//
// Nothing here imitates: what is asked of a server is answered by the real
// program or library behind the front. The package refuses to judge, too; it
// returns counts, bytes and errors, and the test that called says what they
// should be. Every server ends with its Close, and what it wrote stays in the
// folder that the caller gave.
package itest
