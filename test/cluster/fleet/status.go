package fleet

import (
	"encoding/json"
	"fmt"
)

// revision and moment stand for any commit and any time.
const (
	revision = "8f3c1d5e9b7a4c2d6e0f8a1b3c5d7e9f0a2b4c6d"
	moment   = "2026-01-02T03:04:05Z"
)

// status is what Argo CD reports of an Application that is in order: at least
// what runs, and up to StatusBytes what it has synced, and how often.
func (f Fleet) status(n int, source object) object {
	var images []string
	for i := range f.Images {
		images = append(images, Host+"/"+f.Repository(n, i)+":"+f.tag())
	}
	status := object{
		"sourceType":          "Helm",
		"summary":             object{"images": images},
		"sync":                object{"status": "Synced", "revision": revision},
		"health":              object{"status": "Healthy", "lastTransitionTime": moment},
		"reconciledAt":        moment,
		"controllerNamespace": f.Namespace,
	}
	room := f.StatusBytes - size(status)
	// The ten syncs that Argo CD remembers, but no more than fill a third.
	status["history"] = fill(room/3, 10, func(i int) object {
		return object{
			"id": i, "revision": revision, "deployStartedAt": moment, "deployedAt": moment,
			"initiatedBy": object{"automated": true}, "source": source,
		}
	})
	status["resources"] = []object{}
	room = f.StatusBytes - size(status)
	status["resources"] = fill(room, room, func(i int) object { return resource(f.Name(n), i) })
	return status
}

// fill makes elements of a list while they fit into a number of bytes, and at
// most so many.
func fill(bytes, most int, element func(i int) object) []object {
	list := []object{}
	for i := range most {
		e := element(i)
		if bytes -= size(e) + len(","); bytes < 0 {
			break
		}
		list = append(list, e)
	}
	return list
}

func size(o object) int {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // only strings, numbers, and lists and maps of them come here
	}
	return len(text)
}

// kinds are what charts are made of: group, version and kind.
var kinds = [...][3]string{
	{"apps", "v1", "Deployment"},
	{"", "v1", "Service"},
	{"", "v1", "ConfigMap"},
	{"", "v1", "ServiceAccount"},
	{"networking.k8s.io", "v1", "Ingress"},
	{"autoscaling", "v2", "HorizontalPodAutoscaler"},
}

func resource(app string, i int) object {
	kind := kinds[i%len(kinds)]
	return object{
		"group": kind[0], "version": kind[1], "kind": kind[2],
		"name": fmt.Sprintf("%s-part-%03d", app, i), "namespace": app,
		"status": "Synced", "health": object{"status": "Healthy"},
	}
}
