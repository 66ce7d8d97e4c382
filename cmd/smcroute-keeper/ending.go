package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/smcroute/kube-smcroute/agent/keep/shelf"
	"github.com/smcroute/kube-smcroute/agent/keep/wire"
)

const (
	// dialTime is how long connecting to the active keeper may take.
	dialTime = 5 * time.Second

	// askTime is how long a mirror may take to say whether it succeeds.
	askTime = 2 * time.Second

	// returnTime is how long programs may take to come back to a keeper that has
	// just become active: longer than their longest pause.
	returnTime = 3 * time.Second

	// goneTime is how long the connection of a program that has ended may be there.
	goneTime = time.Second
)

// end is for when the active keeper was asked to end. What it holds goes to a
// mirror; or else the last one out empties it.
func (a *active) end() {
	late := time.NewTimer(a.patience)
	defer late.Stop()
	settled := time.NewTimer(time.Until(a.since.Add(returnTime)))
	defer settled.Stop()
	isSettled := !a.inherited // nobody else had programs that could come back
	var isLate, told bool
	for {
		if a.handOver(isLate) {
			a.log.Info("handed over to another keeper", "held", a.shelf.Len())
			return
		}
		programs, unknown := a.peers(wire.Program)
		mirrors, _ := a.peers(wire.Mirror)
		here := len(programs) + unknown
		switch {
		case here == 0 && (len(mirrors) == 0 || isLate) && (isSettled || a.shelf.Len() == 0):
			// Whoever is about to connect gets an end, and sees that nothing is held.
			a.door.close()
			if programs, unknown := a.peers(wire.Program); len(programs)+unknown == 0 {
				a.lastOut()
				return
			}
		case here > 0 && isLate:
			a.log.Warn("programs have not ended: what they have in the kernel is left to them", "programs", here, "held", a.shelf.Len())
			if err := remove(a.socket); err != nil {
				a.log.Warn("the socket was not removed", "err", err)
			}
			a.part(programs)
			return
		}
		if !told {
			told = true
			a.log.Info("asked to end: waiting for programs to end first, or for a successor", "programs", here, "patience", a.patience)
		}
		select {
		case <-a.changed:
		case <-time.After(lastPause): // a mirror may have got ready
		case <-late.C:
			isLate = true
		case <-settled.C:
			isSettled = true
		case <-a.stopping:
			return
		}
	}
}

// handOver reports whether a mirror has promised to succeed. Those that don't hold
// all yet are asked only if there is no time left.
func (a *active) handOver(late bool) bool {
	mirrors, _ := a.peers(wire.Mirror)
	for _, link := range mirrors {
		select {
		case <-link.Ready():
		default:
			if !late {
				continue
			}
		}
		if a.declined(link, false) {
			continue
		}
		err := link.AwaitAlike(askTime)
		if errors.Is(err, shelf.ErrNoAnswer) && !late {
			continue // it is busy, and asked again
		}
		if err == nil || late {
			err = link.Ask(wire.Succeed, askTime)
		}
		if err == nil {
			a.leaveTo(link)
			return true
		}
		a.declined(link, true)
		a.log.Info("a mirror does not take over", "reason", err)
	}
	return false
}

// leaveTo makes sure that what programs were told is held is held by the
// successor.
func (a *active) leaveTo(successor *shelf.Link) {
	programs, _ := a.peers(wire.Program)
	a.part(programs)
	if err := successor.AwaitAlike(askTime); err != nil {
		a.log.Warn("the successor may not hold all that programs have, until they connect to it", "err", err)
	}
}

// part has programs know that this keeper holds nothing for them any more, before
// it has ended: what they have held from now on is held by the next one.
func (a *active) part(programs []*shelf.Link) {
	a.door.close()
	for _, link := range programs {
		link.Close()
		<-link.Done()
	}
}

// declined reports whether a mirror does not succeed, and notes it if it is so.
func (a *active) declined(link *shelf.Link, now bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, ok := a.links[link]
	if !ok {
		return true
	}
	p.declined = p.declined || now
	return p.declined
}

// lastOut switches off the light.
func (a *active) lastOut() {
	if a.keepRoutes {
		a.log.Info("ending; what is static stays in the kernel", "held", a.shelf.Len())
	} else {
		a.log.Info("ending, and emptying what is held", "held", a.shelf.Len())
		a.empty()
	}
	if err := remove(a.socket); err != nil {
		a.log.Warn("the socket was not removed", "err", err)
	}
}

// empty empties what is held, and forgets whose it was. That is still of use if a
// table stays.
func (a *active) empty() {
	all := flush(&a.shelf, a.log)
	a.shelf.Close()
	if !all {
		return
	}
	if err := remove(wire.RecordsPath(a.socket)); err != nil {
		a.log.Warn("the records were not removed", "err", err)
	}
}

// obey does what an operator asks for.
func (a *active) obey(c *wire.Conn) {
	m, fds, err := c.Receive()
	wire.CloseAll(fds)
	switch {
	case err != nil:
		return
	case m.Op == wire.Stop:
		if n := a.here(); n > 0 && !m.Force {
			_ = c.Send(wire.Answer(stillHere(n)), nil)
			return
		}
		a.asked(1)
		a.stopOnce.Do(func() { close(a.stopping) })
		<-a.stopped
		_ = c.Send(wire.Answer(nil), nil)
		a.asked(-1)
	default:
		_ = c.Send(wire.Answer(errors.New("not understood: expected stop")), nil)
	}
}

// here is how many programs are connected. Those that have just ended are not,
// and those that may be about to come back from the keeper before this one are
// waited for.
func (a *active) here() int {
	if a.inherited {
		time.Sleep(time.Until(a.since.Add(returnTime)))
	}
	for deadline := time.Now().Add(goneTime); ; time.Sleep(firstPause) {
		programs, _ := a.peers(wire.Program)
		if len(programs) == 0 || time.Now().After(deadline) {
			return len(programs)
		}
	}
}

// stillHere says why nothing is emptied: programs would not notice.
func stillHere(n int) error {
	programs := "1 program is"
	if n > 1 {
		programs = fmt.Sprintf("%d programs are", n)
	}
	return fmt.Errorf("%s connected, and would forward nothing any more without noticing: end what uses the keeper first, or use --force", programs)
}

// stop empties all, whoever is connected, and ends the mirrors as well.
func (a *active) stop() {
	a.log.Info("stopping, as asked, and emptying what is held", "held", a.shelf.Len())
	a.door.close()
	mirrors, _ := a.peers(wire.Mirror)
	for _, link := range mirrors {
		if err := link.Ask(wire.Stop, askTime); err != nil {
			a.log.Warn("a mirror does not stop", "reason", err)
		}
	}
	a.empty()
	if err := remove(a.socket); err != nil {
		a.log.Warn("the socket was not removed", "err", err)
	}
	a.quiet() // so that a check after the answer asks the next keeper
	close(a.stopped)
	late := time.After(askTime)
	for a.asked(0) > 0 {
		select {
		case <-a.changed:
		case <-late:
			return
		}
	}
}

// asked adds to the number of operators that wait for an answer, and returns it.
func (a *active) asked(n int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.operators += n
	a.signal()
	return a.operators
}
