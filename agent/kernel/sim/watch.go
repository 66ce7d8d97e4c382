package sim

import (
	"context"

	"github.com/smcroute/kube-smcroute/agent/kernel"
)

// Watch implements kernel.Observer. What it has taken from the host and not
// sent when ctx ends is lost.
func (k *Kernel) Watch(ctx context.Context, events chan<- kernel.Event) error {
	for {
		for _, e := range k.take() {
			select {
			case events <- e:
			case <-ctx.Done():
				return nil
			}
		}
		select {
		case <-k.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// take returns what Watch has to send.
func (k *Kernel) take() []kernel.Event {
	k.host.mu.Lock()
	defer k.host.mu.Unlock()
	if k.closed {
		return nil // what comes now is for the next program
	}
	var events []kernel.Event
	if k.news {
		events = append(events, kernel.LinksChanged{Gone: k.gone})
		k.news, k.gone = false, nil
	}
	for i := range k.upcalls {
		if len(k.upcalls[i]) > 0 {
			events = append(events, kernel.Upcalls{List: k.upcalls[i]})
			k.upcalls[i] = nil
		}
	}
	return events
}

// wakeup has Watch look again.
func (k *Kernel) wakeup() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}
