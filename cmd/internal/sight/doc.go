// Package sight carries out the verbs that look at routers: it takes one look or
// many, and prints what package draw makes of them. Where the routers are and how
// they are asked is the program's business.
package sight
