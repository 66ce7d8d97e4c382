package translate

// Translate works out what the routers of the node should do.
func Translate(in Input) Result {
	return Result{}
}
