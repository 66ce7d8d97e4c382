// Package chaos does random harm to a router for some time, while numbered
// streams run through it, and holds it to what its configuration promised at
// every moment: no packet of a flow that is wanted may be missing, and none of
// a flow that is not may get through.
//
//	studio:s0 ---- r:in        r:out0 ---- left:c0
//	                           r:out1 ---- right:c0
//	                           r:flap ---- far:c0    (comes and goes)
//
// The harm: the daemon or the keeper is killed, ended, started again, replaced
// by another; the configuration is read again, changed while the daemon works and
// while it is away; an interface is deleted and made again, under its own name or
// under another's; clients add and remove routes.
//
// The seed of a run is logged; CHAOS_SEED=N does the same again, as far as the
// scheduler lets it, and CHAOS_TIME=10m makes it longer. "make chaos" runs ten minutes.
package chaos
