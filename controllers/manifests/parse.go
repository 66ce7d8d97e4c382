package manifests

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/manifests/yamldoc"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// Validator is what crd.Validator does.
type Validator interface {
	Default(*unstructured.Unstructured)
	Validate(*unstructured.Unstructured) field.ErrorList
}

// noField is the path of a field in errors about the whole object.
var noField = (*field.Path)(nil).String()

// maxProblems bounds what is said about one document.
const maxProblems = 10

// object is a route or a group.
type object struct {
	route *v1alpha1.MulticastRoute
	group *v1alpha1.MulticastGroup
}

// declaration is an object in a file.
type declaration struct {
	key      Key
	file     string
	line     int
	object   *object   // nil if there are problems
	problems []Problem // why it is none
}

// contents is what is in a file.
type contents struct {
	declarations []declaration
	strays       []Problem // of documents that don't say which object they are
	foreign      []string  // what is not ours: "file: Service of v1"
}

// parse reads the text of a file.
func parse(v Validator, file string, text []byte) contents {
	p := parser{validator: v, file: file}
	for _, doc := range yamldoc.Split(text) {
		value, err := doc.Decode()
		switch {
		case err != nil:
			p.strays = append(p.strays, Problem{File: file, Line: err.Line, Message: err.Message})
		case value != nil:
			p.value(&doc, "", value, nil)
		}
	}
	return p.contents
}

type parser struct {
	validator Validator
	file      string
	contents
}

func (p *parser) stray(doc *yamldoc.Document, path, format string, args ...any) {
	p.strays = append(p.strays, Problem{File: p.file, Line: doc.Find(path), Path: path, Message: fmt.Sprintf(format, args...)})
}

// listKind is what an item of a list is, if it doesn't say so itself.
type listKind struct{ apiVersion, kind string }

// value takes a document, or the item of a list at path.
func (p *parser) value(doc *yamldoc.Document, path string, value any, list *listKind) {
	content, ok := value.(map[string]any)
	if !ok {
		p.stray(doc, path, "expected an object with apiVersion, kind, metadata and spec")
		return
	}
	u := &unstructured.Unstructured{Object: content}
	if list != nil && list.kind != "" && content["apiVersion"] == nil && content["kind"] == nil {
		u.SetAPIVersion(list.apiVersion)
		u.SetKind(list.kind)
	}
	apiVersion, kind := u.GetAPIVersion(), u.GetKind()
	if apiVersion == "" || kind == "" {
		p.stray(doc, path, "expected apiVersion and kind, such as apiVersion: %s, kind: %s", v1alpha1.GroupVersion, translate.RouteKind)
		return
	}
	group, _, _ := strings.Cut(apiVersion, "/")
	item, isList := strings.CutSuffix(kind, "List")
	switch {
	case isList && (apiVersion == "v1" && item == "" || apiVersion == v1alpha1.GroupVersion.String()):
		if list != nil {
			p.stray(doc, path, "a list in a list")
			return
		}
		p.list(doc, content, &listKind{apiVersion, item})
	case group != v1alpha1.GroupVersion.Group:
		p.foreign = append(p.foreign, fmt.Sprintf("%s: %s of %s", p.file, kind, apiVersion))
	case apiVersion != v1alpha1.GroupVersion.String():
		p.stray(doc, join(path, "apiVersion"), "%s is not known here: expected %s", apiVersion, v1alpha1.GroupVersion)
	case kind != string(translate.RouteKind) && kind != string(translate.GroupKind):
		p.stray(doc, join(path, "kind"), "%s has no place in a file: expected %s or %s", kind, translate.RouteKind, translate.GroupKind)
	default:
		p.object(doc, path, u)
	}
}

func (p *parser) list(doc *yamldoc.Document, content map[string]any, kind *listKind) {
	items, ok := content["items"].([]any)
	if !ok && content["items"] != nil {
		p.stray(doc, "items", "expected a list of objects")
		return
	}
	for i, item := range items {
		p.value(doc, fmt.Sprintf("items[%d]", i), item, kind)
	}
}

// object takes a route or a group.
func (p *parser) object(doc *yamldoc.Document, path string, u *unstructured.Unstructured) {
	key, problem := identify(u)
	if problem != "" {
		p.stray(doc, join(path, "metadata"), "%s", problem)
		return
	}
	u.SetNamespace(key.Namespace)
	delete(u.Object, "status") // as with kubectl apply
	d := declaration{key: key, file: p.file, line: doc.Find(path)}
	p.validator.Default(u)
	errs := p.validator.Validate(u)
	if len(errs) == 0 {
		d.object, errs = convert(key, u)
	}
	for _, err := range errs {
		at := join(path, strings.TrimPrefix(err.Field, noField))
		d.problems = append(d.problems, Problem{File: p.file, Line: doc.Find(at), Path: at, Message: err.ErrorBody()})
	}
	slices.SortFunc(d.problems, Problem.compare)
	if more := len(d.problems) - maxProblems; more > 0 {
		last := d.problems[maxProblems-1]
		d.problems = append(d.problems[:maxProblems], Problem{File: last.File, Line: last.Line, Message: fmt.Sprintf("and %d more", more)})
	}
	if len(d.problems) > 0 {
		d.object = nil
	}
	p.declarations = append(p.declarations, d)
}

// identify returns the key of an object, or why it has none.
func identify(u *unstructured.Unstructured) (Key, string) {
	meta, ok := u.Object["metadata"].(map[string]any)
	if !ok {
		return Key{}, "expected metadata with a name"
	}
	name, _ := meta["name"].(string)
	if name == "" {
		return Key{}, "expected a name, as text"
	}
	if wrong := validation.IsDNS1123Subdomain(name); wrong != nil {
		return Key{}, fmt.Sprintf("the name %q is not one: %s", name, strings.Join(wrong, "; "))
	}
	namespace := DefaultNamespace
	if n := meta["namespace"]; n != nil {
		namespace, ok = n.(string)
		if !ok {
			return Key{}, "expected the namespace as text"
		}
		if namespace == "" {
			namespace = DefaultNamespace
		}
	}
	if wrong := validation.IsDNS1123Label(namespace); wrong != nil {
		return Key{}, fmt.Sprintf("the namespace %q is not one: %s", namespace, strings.Join(wrong, "; "))
	}
	return Key{Kind: translate.Kind(u.GetKind()), Namespace: namespace, Name: name}, ""
}

// convert makes an object of the types of package v1alpha1. It refuses what
// would wait for pods that can never be seen.
func convert(key Key, u *unstructured.Unstructured) (*object, field.ErrorList) {
	o := &object{}
	var target any
	switch key.Kind {
	case translate.RouteKind:
		o.route = &v1alpha1.MulticastRoute{}
		target = o.route
	case translate.GroupKind:
		o.group = &v1alpha1.MulticastGroup{}
		target = o.group
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, target); err != nil {
		return nil, field.ErrorList{field.InternalError(field.NewPath("spec"), err)}
	}
	return o, podErrors(o)
}

// podErrors names the fields that select pods.
func podErrors(o *object) (errs field.ErrorList) {
	refuse := func(path *field.Path, instead string) {
		errs = append(errs, field.Forbidden(path, "without an API server there are no pods to see: "+instead))
	}
	spec := field.NewPath("spec")
	namespace := func(n v1alpha1.NetworkNamespace) {
		if n.Type == v1alpha1.PodNamespace {
			refuse(spec.Child("networkNamespace", "type"), "expected Host")
		}
	}
	if o.group != nil {
		namespace(o.group.Spec.NetworkNamespace)
		return errs
	}
	namespace(o.route.Spec.NetworkNamespace)
	if o.route.Spec.From.Pods != nil {
		refuse(spec.Child("from", "pods"), "name an interface")
	}
	for i, to := range o.route.Spec.To {
		if to.Pods != nil {
			refuse(spec.Child("to").Index(i).Child("pods"), "name an interface")
		}
	}
	return errs
}

// join joins two paths; each may be empty.
func join(path, more string) string {
	if path == "" || more == "" {
		return path + more
	}
	return path + "." + more
}
