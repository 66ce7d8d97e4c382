package mroute

import "strconv"

// RouterState is what is known of the router at one [Place]: its state, or why
// there is none. One of Snapshot and Err is nil.
type RouterState struct {
	Snapshot *Snapshot
	Err      error // why the router does not work, as a sentence; it is tried again
	Cause    Cause // of Err; 0 while the first attempt is under way
}

// NetNSID is the [Place.ID] of a network namespace: device and inode of the
// file that stands for it (st_dev and st_ino of stat(2)), which no other
// namespace has while it lives.
func NetNSID(device, inode uint64) string {
	return strconv.FormatUint(device, 10) + ":" + strconv.FormatUint(inode, 10)
}
