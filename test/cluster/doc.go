// Package cluster tries the updater against a real Kubernetes API server. Its
// tests are the scenarios; the rest of the package is what they are told in:
//
//	func TestUpdate(t *testing.T) {
//		t.Parallel()
//		w := suite.World(t)
//		w.Registry(itest.RegistryOptions{})
//		w.Push("myorg/myapp:1.2.3", "myorg/myapp:1.3.0")
//		w.Apply(manifests)
//		w.Run("run", "--once")
//		w.Application("myapp") // as it is now
//	}
//
// A [Suite] is one control plane and one built program for all tests of a
// binary. A [World] is what one test has of it: a namespace of its own, a
// registry and a Git server in process, and the program, which acts as a
// ServiceAccount of the namespace and may do what the test's manifests allow it.
// Nothing in a World is shared, so that tests run side by side; a test that
// breaks the API server, or that looks at all namespaces, has a control plane of
// its own.
//
// The module is one of its own so that the updater's own does not know what only
// its tests need.
package cluster
