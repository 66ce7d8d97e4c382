package plan

// Room is what the layers have room for, in blocks of routes of parts, and how many pairs of prefix
// lengths are looked up.
func (in *Intent) Room() (blocks, shapes int) {
	for _, x := range in.layers {
		blocks += len(x.blocks)
		shapes += len(x.shapes)
	}
	return blocks, shapes
}
