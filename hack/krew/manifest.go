package main

import (
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/krew/pkg/constants"
	"sigs.k8s.io/krew/pkg/index"
	"sigs.k8s.io/yaml"
)

const (
	pluginName = "multicast"
	homepage   = "https://github.com/smcroute/kube-smcroute"
)

const description = `Shows the multicast routes of kube-smcroute at work on all nodes: whether they
are in the kernels, which streams come and how fast, which way they go to which
pods. "kubectl multicast doctor ROUTE" finds out why a stream does not arrive,
with evidence and the command that mends it.
`

const caveats = `The cluster needs kube-smcroute: ` + homepage + `
Live figures come from the agents, as by "kubectl exec"; who may not do that sees
what they reported last.
`

// writeManifest writes what krew's index has of the plug-in.
func writeManifest(file, version string, archives []archive) error {
	p := index.Plugin{
		TypeMeta:   metav1.TypeMeta{APIVersion: constants.CurrentAPIVersion, Kind: constants.PluginKind},
		ObjectMeta: metav1.ObjectMeta{Name: pluginName},
		Spec: index.PluginSpec{
			Version:          "v" + version,
			Homepage:         homepage,
			ShortDescription: "See multicast routes work, and why streams stop",
			Description:      description,
			Caveats:          caveats,
		},
	}
	for _, a := range archives {
		p.Spec.Platforms = append(p.Spec.Platforms, index.Platform{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"os": a.goos, "arch": a.goarch}},
			URI:      homepage + "/releases/download/v" + version + "/" + a.name,
			Sha256:   a.sha256,
			Bin:      a.program,
			Files:    []index.FileOperation{{From: a.program, To: "."}, {From: "LICENSE", To: "."}},
		})
	}
	text, err := yaml.Marshal(p)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
