package mroute

// muchRoom is how many elements' room is not worth giving back.
const muchRoom = 4096

// Shrunk returns m, or a copy that takes less room if it holds a small part of
// what it held once: a map keeps the room for the most that was ever in it. most is
// that number, or less if nobody looked; the copy has paid for itself by as many
// deletions.
func Shrunk[K comparable, V any](m map[K]V, most *int) map[K]V {
	n := len(m)
	if *most = max(*most, n); *most < muchRoom || n > *most/4 {
		return m
	}
	*most = n
	small := make(map[K]V, n)
	for k, v := range m {
		small[k] = v
	}
	return small
}
