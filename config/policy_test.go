package config_test

import (
	"context"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
)

const policyName = "multicastnodestates.multicast.smcroute.io"

// policy compiles the policy as an API server of the oldest release does.
func policy(t *testing.T) validating.Validator {
	t.Helper()
	p := object[*admissionv1.ValidatingAdmissionPolicy](t, "ValidatingAdmissionPolicy "+policyName)
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(version.MajorMinor(1, 31)))
	if err != nil {
		t.Fatal(err)
	}
	none := cel.OptionalVariableDeclarations{}
	var variables []cel.NamedExpressionAccessor
	for _, v := range p.Spec.Variables {
		variables = append(variables, &validating.Variable{Name: v.Name, Expression: v.Expression})
	}
	compiler.CompileAndStoreVariables(variables, none, environment.StoredExpressions)
	var matches, validations, messages []cel.ExpressionAccessor
	for _, m := range p.Spec.MatchConditions {
		matches = append(matches, (*matchconditions.MatchCondition)(&m))
	}
	for _, v := range p.Spec.Validations {
		validations = append(validations, &validating.ValidationCondition{Expression: v.Expression, Message: v.Message, Reason: v.Reason})
		var message cel.ExpressionAccessor
		if v.MessageExpression != "" {
			message = &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression}
		}
		messages = append(messages, message)
	}
	compile := func(e []cel.ExpressionAccessor) cel.ConditionEvaluator {
		evaluator := compiler.CompileCondition(e, none, environment.StoredExpressions)
		for _, err := range evaluator.CompilationErrors() {
			t.Error(err)
		}
		return evaluator
	}
	return validating.NewValidator(
		compile(validations),
		matchconditions.NewMatcher(compile(matches), p.Spec.FailurePolicy, "policy", "validate", p.Name),
		compile(nil), compile(messages), p.Spec.FailurePolicy, nil)
}

func TestPolicy(t *testing.T) {
	v := policy(t)
	const agent = "system:serviceaccount:kube-smcroute:kube-smcroute-agent"
	on := func(nodes ...string) map[string][]string {
		return map[string][]string{"authentication.kubernetes.io/node-name": nodes}
	}
	for _, test := range []struct {
		name  string
		user  string
		extra map[string][]string
		state string // whose is written
		deny  string // part of the message, "" if it is allowed
	}{
		{name: "its own", user: agent, extra: on("n1"), state: "n1"},
		{name: "another's", user: agent, extra: on("n1"), state: "n2", deny: "the agent of node n1 may write the MulticastNodeState n1 alone, and not n2"},
		{name: "no claim", user: agent, state: "n1", deny: "names no node"},
		{name: "other claims", user: agent, extra: map[string][]string{"authentication.kubernetes.io/pod-name": {"n1"}}, state: "n1", deny: "names no node"},
		{name: "an empty claim", user: agent, extra: on(""), state: "", deny: "names no node"},
		{name: "an empty list", user: agent, extra: on(), state: "n1", deny: "names no node"},
		{name: "an agent of another namespace", user: "system:serviceaccount:other:kube-smcroute-agent", extra: on("n1"), state: "n2", deny: "not n2"},
		{name: "administrator", user: "admin", state: "n1"},
		{name: "garbage collector", user: "system:serviceaccount:kube-system:generic-garbage-collector", state: "n1"},
		{name: "controller", user: "system:serviceaccount:kube-smcroute:kube-smcroute-controller", state: "n1"},
	} {
		for _, op := range []admission.Operation{admission.Create, admission.Update, admission.Delete} {
			t.Run(test.name+"/"+string(op), func(t *testing.T) {
				message, denied := ask(v, op, &user.DefaultInfo{Name: test.user, Extra: test.extra}, test.state)
				if denied != (test.deny != "") || !strings.Contains(message, test.deny) {
					t.Errorf("denied %v with %q, want %q", denied, message, test.deny)
				}
			})
		}
	}
}

// ask asks whether somebody may write the state of that name.
func ask(v validating.Validator, op admission.Operation, who user.Info, state string) (message string, denied bool) {
	kind := schema.GroupVersionKind{Group: "multicast.smcroute.io", Version: "v1alpha1", Kind: "MulticastNodeState"}
	resource := kind.GroupVersion().WithResource("multicastnodestates")
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(kind)
	obj.SetName(state)
	var now, old runtime.Object
	if op != admission.Delete {
		now = obj
	}
	if op != admission.Create {
		old = obj
	}
	versioned := &admission.VersionedAttributes{
		Attributes:    admission.NewAttributesRecord(now, old, kind, "", state, resource, "", op, nil, false, who),
		VersionedKind: kind,
	}
	if now != nil {
		versioned.VersionedObject.Set(now)
	}
	if old != nil {
		versioned.VersionedOldObject.Set(old)
	}
	for _, d := range v.Validate(context.Background(), resource, versioned, nil, nil, celconfig.RuntimeCELCostBudget, nil).Decisions {
		if d.Action == validating.ActionDeny {
			return d.Message, true
		}
	}
	return "", false
}

// The policy is in force, holds the agent's account, and fails closed.
func TestPolicyIsInForce(t *testing.T) {
	p := object[*admissionv1.ValidatingAdmissionPolicy](t, "ValidatingAdmissionPolicy "+policyName)
	if *p.Spec.FailurePolicy != admissionv1.Fail {
		t.Errorf("failure policy %s, want Fail", *p.Spec.FailurePolicy)
	}
	b := object[*admissionv1.ValidatingAdmissionPolicyBinding](t, "ValidatingAdmissionPolicyBinding "+policyName)
	if b.Spec.PolicyName != p.Name || len(b.Spec.ValidationActions) != 1 || b.Spec.ValidationActions[0] != admissionv1.Deny {
		t.Errorf("the binding is %+v, want one to %s that denies", b.Spec, p.Name)
	}
	account := object[*appsv1.DaemonSet](t, "DaemonSet kube-smcroute-agent").Spec.Template.Spec.ServiceAccountName
	message, denied := ask(policy(t), admission.Create, &user.DefaultInfo{Name: "system:serviceaccount:" + namespace + ":" + account}, "n1")
	if !denied {
		t.Errorf("the account of the DaemonSet, %s, is not held: %s", account, message)
	}
}
