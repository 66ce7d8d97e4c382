package summary

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// told is how many routes have a status with the reason.
func (c *cluster) told(reason string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.routes {
		if condition(r.Status.Conditions, v1alpha1.ConditionProgrammed).Reason == reason {
			n++
		}
	}
	return n
}

// TestPace: what changes in many statuses at once is written little by little, and all of
// it in the end. Whoever changes an object meanwhile does not wait for that.
func TestPace(t *testing.T) {
	simulate(t, func(t *testing.T, c *cluster) {
		const routes = 40
		// With two agents a write every other second for states, and one a second for
		// what is fresh.
		c.book.pace = newPace(4)
		c.setNode("n1", corev1.ConditionTrue, nil)
		c.setNode("n2", corev1.ConditionTrue, nil)
		for i := range routes {
			c.setRoute(newRoute(fmt.Sprintf("r%d", i), nil))
		}
		c.report("n1", v1alpha1.ReasonProgrammed, 1)
		c.report("n2", v1alpha1.ReasonProgrammed, 1)
		time.Sleep(10 * time.Minute)
		if n := c.told(v1alpha1.ReasonProgrammed); n != routes {
			t.Fatalf("%d statuses are written at all", n)
		}

		before := c.counted()
		c.report("n1", v1alpha1.ReasonInterfaceNotFound, 1)
		const while = 20
		time.Sleep(while * time.Second)
		// Five that were saved, and a half each second.
		if n := c.counted() - before; n < 5+while/2-1 || n > 5+while/2+1 {
			t.Errorf("%d writes in %d s", n, while)
		}
		r := newRoute("new", nil)
		r.CreationTimestamp = metav1.Now()
		c.setRoute(r)
		time.Sleep(2 * time.Second)
		if n := c.told(v1alpha1.ReasonPending); n != 1 {
			t.Error("the status of a new route waits for the others")
		}
		c.report("n1", v1alpha1.ReasonInterfaceNotFound, 1)
		c.report("n2", v1alpha1.ReasonInterfaceNotFound, 1)
		time.Sleep(10 * time.Minute)
		if n := c.told(v1alpha1.ReasonInterfaceNotFound); n != routes+1 {
			t.Errorf("%d statuses are up to date in the end", n)
		}
	})
}

// TestPaceOfCounters: counters of more routes than the pace lets through in an interval
// take longer, and nothing else waits for them.
func TestPaceOfCounters(t *testing.T) {
	simulate(t, func(t *testing.T, c *cluster) {
		const routes = 60
		c.book.pace = newPace(0.4) // a write for counters in 10 s
		c.setNode("n1", corev1.ConditionTrue, nil)
		for i := range routes {
			c.setRoute(newRoute(fmt.Sprintf("r%d", i), nil))
		}
		count := func(while time.Duration) {
			for end := time.Now().Add(while); time.Now().Before(end); time.Sleep(5 * time.Minute) {
				c.report("n1", v1alpha1.ReasonProgrammed, time.Now().Unix())
			}
		}
		count(time.Hour)
		before := c.counted()
		const while = 2 * time.Hour
		count(while)
		if n, most := c.counted()-before, int(while/(10*time.Second))+2; n > most || n < most*8/10 {
			t.Errorf("%d writes in %v, want at most %d and not far less", n, while, most)
		}
		began := time.Now()
		c.report("n1", v1alpha1.ReasonInterfaceNotFound, 1)
		time.Sleep(routes * 10 * time.Second)
		if n := c.told(v1alpha1.ReasonInterfaceNotFound); n != routes {
			t.Errorf("%v after a state that matters %d of %d say so", time.Since(began), n, routes)
		}
	})
}
