package manifests

import (
	"bytes"

	"go.yaml.in/yaml/v2"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// marshal writes an object as "kubectl get -o yaml" does.
func marshal(kind string, metadata map[string]any, value any) ([]byte, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(value)
	if err != nil {
		return nil, err
	}
	return yaml.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       kind,
		"metadata":   metadata,
		"status":     content,
	})
}

// marshalReport is marshal of a node's report, object by object: the library takes some
// hundred bytes of memory for each word of what it is given at once.
func marshalReport(node string, report *v1alpha1.MulticastNodeStateStatus) ([]byte, error) {
	short := *report
	short.Routes, short.Groups = nil, nil
	text, err := marshal("MulticastNodeState", map[string]any{"name": node}, &short)
	if err != nil || len(report.Routes)+len(report.Groups) == 0 {
		return text, err
	}
	for _, list := range []struct {
		name   string
		states []v1alpha1.ObjectState
	}{{"groups", report.Groups}, {"routes", report.Routes}} {
		if len(list.states) == 0 {
			continue
		}
		text = append(text, "  "+list.name+":\n"...) // the status is the last, and of a time at least
		for i := range list.states {
			content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&list.states[i])
			if err != nil {
				return nil, err
			}
			item, err := yaml.Marshal(content)
			if err != nil {
				return nil, err
			}
			text = appendItem(text, item)
		}
	}
	return text, nil
}

// appendItem appends an object to a list within the status. Lines that are empty are of
// a text, and stay so.
func appendItem(text, item []byte) []byte {
	indent := "  - "
	for line := range bytes.Lines(item) {
		if len(bytes.TrimRight(line, "\n")) > 0 {
			text = append(text, indent...)
		}
		text = append(text, line...)
		indent = "    "
	}
	return text
}
