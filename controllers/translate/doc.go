// Package translate turns Kubernetes objects into what the routers of one node
// should do. It is pure: the same objects give the same layers, whatever the
// order in which they come.
//
// # Rules and rows
//
// A MulticastRoute is a row, or rule, for each pair of a source and a group. A
// pair of single addresses is exact, and is in the kernel before the first
// packet; any other is a template, from which entries are learned, unless the
// kernel can forward its group from any source natively.
//
// All outputs of one flow are united: of exact rules, of templates, and of an
// exact rule with the templates that cover it. A smcroute.conf is different: its
// first template in order wins, and an exact rule hides the templates. A file
// has one author, who orders its lines; objects have many, and it would be a
// trap if a new route took the packets of another one away. The kernel has one
// entry for each (S,G), so an exact rule takes the outputs of the templates over,
// as rows with the template's origin.
//
// A route without spec.to is a stop rule. As an exact one it hides the
// templates, which makes exceptions possible; as a template it adds nothing to
// what others forward. A route whose outputs are pods and that has none on this
// node at the moment is not a stop rule: it has no row here, does not join, and
// is programmed all the same. Its claim of an (S,G) stands nevertheless, so that
// what wins a conflict does not depend on which pods there are.
//
// # Conflicts
//
// Two routes conflict in a router if both have an exact rule for one (S,G), and
// no interface is an input of both. "eth+" and "eth0" do not conflict: packets
// arrive on one interface at a time, and the entry follows them. Nor do
// templates, which say what to do on their own input. The older route wins, then
// the first by namespace and name. The other one is rejected on this node as a
// whole, and claims nothing.
//
// # One world after the other
//
// A [Translator] remembers what objects want, and asks only those again that have
// changed, or that depend on pods or labels which have. What others rule out depends on
// all objects, but between two that were in the layers together nothing is in question,
// so that only those (S,G)s are looked at that somebody else claims.
//
// # Pods
//
// A pod as an end stands for the node's link to it, pinned by name and index.
// Pods behind one link are one output, with the lowest of their TTL thresholds. A
// link is never an output of what comes in on it: pods that share a bridge with
// the sender hear it from the bridge.
//
// An output is listed however many there are: the router gives VIFs to those
// that came first, lets them keep these, and tells which others wait.
package translate
