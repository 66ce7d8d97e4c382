{{- define "gvList" -}}
<!-- Made by "make generate" from the types of api/v1alpha1 and the templates of hack/api-docs. -->

# API

`multicast.smcroute.io/v1alpha1`. `kubectl explain mcroute.spec` says the same in a
terminal, [config/samples](../config/samples) has examples with comments, and
[test/crd/testdata](../test/crd/testdata) shows what is refused, and with which words.

| kind | short | scope | written by | for |
|---|---|---|---|---|
| [MulticastRoute](#multicastroute) | mcroute | namespace | the user; status by the controller | forwarding packets of some sources and groups |
| [MulticastGroup](#multicastgroup) | mcgroup | namespace | the user; status by the controller | membership alone (IGMP, MLD) |
| [MulticastNodeState](#multicastnodestate) | mcns | cluster | the agent of the node it is named after | what the node has in its kernel, and the counters |

All are in the category `multicast`: `kubectl get multicast -A`.
{{ range . -}}
{{- $seen := dict -}}
{{- $gv := . -}}
{{- range list "MulticastRoute" "MulticastGroup" "MulticastNodeState" -}}
{{ template "tree" (dict "type" ($gv.TypeForKind .) "seen" $seen) }}
{{- end -}}
{{- end }}
{{ template "conditions" }}
{{- end -}}

{{- /* A type, and then those of its fields that were not there before. */ -}}
{{- define "tree" -}}
{{- $type := .type -}}
{{- $seen := .seen -}}
{{- if not (hasKey $seen $type.Name) -}}
{{- $_ := set $seen $type.Name true -}}
{{ template "type" $type }}
{{- range $type.Members -}}
{{- $member := .Type -}}
{{- if $member.UnderlyingType -}}{{- if not $member.Package -}}{{- $member = $member.UnderlyingType -}}{{- end -}}{{- end -}}
{{- if contains "](#" (markdownRenderTypeLink $member) -}}
{{ template "tree" (dict "type" $member "seen" $seen) }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
