// Package conf reads smcroute.conf: text in, a [mroute.Layer] and diagnostics
// out. It also reads the same words as arguments of smcroutectl's commands.
//
// The grammar, one directive a line:
//
//	phyint  IFPATTERN [enable|disable] [mrdisc] [ttl-threshold 1..255]
//	mgroup  from IFPATTERN [source ADDR[/LEN]] group GROUP[/LEN]
//	mroute  from IFPATTERN [source ADDR[/LEN]] group GROUP[/LEN]
//	        [except ADDR[/LEN][,ADDR[/LEN]...]] [native|learn] [flows 1..1000000]
//	        [to IFPATTERN...]
//	mroute  from IFPATTERN [source ::] group :: [except ...] [learn] [flows N] to SCOPEMASK [IFPATTERN...]
//	include GLOB
//
// ssmgroup is an old spelling of mgroup. A word is a keyword if it begins with
// one. Clauses come in any order; everything after "to" is an output. A word
// that begins with # where a keyword could stand ends the line. The manual page
// smcroute.conf(5) tells the whole story.
//
// The package is pure: files named by include are read by a function which the
// caller gives. A line with an error is dropped, the others count.
package conf
