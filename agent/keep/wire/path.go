package wire

// RecordsPath is keep.RecordsPath: the keeper knows it, but not what is there.
func RecordsPath(socket string) string { return socket + ".records" }
