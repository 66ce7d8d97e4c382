package main

import (
	"context"
	"fmt"
	"io"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// tellRoute fails if there is no route of that name, and says what keeps it from
// being on all nodes, since nodes only have rows for what is in their kernels. Who
// may not read routes is told nothing.
func (c *cluster) tellRoute(ctx context.Context, namespace, name string, out io.Writer) error {
	var r v1alpha1.MulticastRoute
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &r)
	switch {
	case apierrors.IsForbidden(err):
		return nil
	case apierrors.IsNotFound(err):
		return fmt.Errorf("there is no MulticastRoute %s in namespace %s: expected the name of one, or a group", name, namespace)
	case err != nil:
		return err
	}
	for _, condition := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionProgrammed} {
		if is := meta.FindStatusCondition(r.Status.Conditions, condition); is != nil && is.Status != metav1.ConditionTrue {
			fmt.Fprintf(out, "# %s of %s is %s: %s: %s\n", condition, name, is.Status, is.Reason, is.Message)
			break // what is not accepted is not programmed either
		}
	}
	return nil
}
