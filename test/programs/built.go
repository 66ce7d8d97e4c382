package programs

// Race reports whether the programs have the race detector, with which they take more
// time and several times the memory.
func Race() bool { return race }
