package mroute

import "strconv"

// RouterState is what is known of the router at one [Place]: its state, or why
// there is none. One of Snapshot and Err is nil.
type RouterState struct {
	Snapshot *Snapshot
	Err      error // why the router does not work; it is tried again
	Cause    Cause // of Err; 0 while the router starts or ends, or did not answer in time
}

// NetNSID is the [Place.ID] of a network namespace: device and inode of the
// file that stands for it (st_dev and st_ino of stat(2)), which no other
// namespace has while it lives.
func NetNSID(device, inode uint64) string {
	return strconv.FormatUint(device, 10) + ":" + strconv.FormatUint(inode, 10)
}
