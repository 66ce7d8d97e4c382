// Package script holds scenarios that drive the real smcrouted and smcroutectl
// in network namespaces. Each is a file in testdata: a drawing of its network
// and the story of the packets, the commands, and below "-- NAME --" the files
// that they use.
//
// The language is that of [github.com/rogpeppe/go-internal/testscript] ("exec",
// "stdout", "cmp", "!" before a command that must fail, and so on) with these
// commands added. NS:IF is an interface IF in the namespace NS.
//
//	netns NS...                       make namespaces
//	veth NS:IF NS:IF [N]              make a veth pair, both ends up; or N, numbered
//	                                  IF0 to IF(N-1)
//	bridge NS:IF [NS:IF...]           make a bridge with these ports
//	addr NS:IF ADDR/LEN               add an address
//	link up|down|delete NS:IF         change an interface
//	link rename NS:IF NAME
//	link multicast on|off NS:IF       the flag IFF_MULTICAST
//	recreate NS:IF NS:IF N            delete and make a veth pair, N times
//	mrule NS IF TABLE                 packets from IF go by that table (ip mrule)
//	hold NS ipv4|ipv6                 own a routing table, as another daemon
//	sysctl NS PATH VALUE              for example ipv4/conf/all/mc_forwarding
//	in NS PROGRAM [ARG...]            run a program in a namespace
//	exits CODE NS PROGRAM [ARG...]    the same; its exit code must be CODE
//
//	smcrouted NS [ARG...]             start the daemon, wait until it is ready
//	smcroutectl NS [ARG...]           run the client of that daemon
//	reload NS                         SIGHUP, wait until the reload is done
//	signal NS NAME                    send a signal, for example USR1
//	end NS                            SIGTERM if it runs; the exit code must be 0
//	crash NS [NAME]                   SIGKILL, or another signal
//	oom NS                            have the kernel kill it for lack of memory
//	log NS                            print what the daemon logged
//
//	capture NS:IF...                  count the packets that arrive from now on
//	send NS:IF S G [ttl=N] [count=N]  send UDP packets from S to group G
//	burst NS:IF G N                   a packet each from N sources 10.9.0.x
//	recv NS:IF S G N [ttl=T]          wait until N more arrived, with that TTL
//	stream NS:IF S G [NS:IF...] [pps=N]
//	                                  send numbered packets, 2000 a second, from
//	                                  when one has arrived at each other NS:IF
//	silence S G                       end a stream
//	lossless NS:IF [S G]              all packets of the streams until now arrive
//	lossy NS:IF [S G]                 some are lost, and then they arrive again
//	counters NS                       print smcroutectl -j show routes; no counter
//	                                  is lower than at the call before
//	metrics NS                        print what --metrics unix://$WORK/NS.metrics serves
//	leaves NS:IF                      print who left groups since the first call
//	members NS:IF                     print the groups joined there, "(S, G)"
//	await [-not] REGEXP COMMAND...    repeat one of the commands above until it
//	                                  succeeds and prints what matches
//
//	keeper NS stop|answers|SIGNAL     smcroute-keeper stop; print its process ID;
//	                                  send it a signal
//	foreign NS:IF S G NS:IF           another program's entry, in an unowned table
//	left NS IF...                     print the VIFs, entries, memberships and rules of
//	                                  ours that the kernel has, when nobody owns tables
//	nothing NS IF...                  wait until that is nothing, and no keeper is there
//
// The daemon runs with -n, configuration NS.conf, PID file NS.pid and socket
// NS.sock in the script's directory; with -k the keeper is at NS.keeper. What is
// still running at the end of the script is stopped, and must end with exit code
// 0; logs are shown if the script failed.
//
// Each recv accounts for packets that a capture saw. More than the N it names
// is an error, and so are packets that no recv accounts for at the end of the
// script: nothing arrives unnoticed. To show that a packet is not forwarded
// send it before one that is: when that one is there, so would be the other.
//
// Conditions: [root] is true for the real root, false in a user namespace;
// [oom] is true if memory can be limited, by a cgroup of version 1;
// [ours] is true unless SMCROUTED_DIR names a directory with other binaries,
// such as /usr/sbin with Debian's, to try the scripts on.
package script
