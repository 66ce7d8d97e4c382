// Package manifests runs the operator without a cluster: it takes
// MulticastRoutes and MulticastGroups from a directory of YAML or JSON files
// instead of an API server, and writes what became of them into another.
//
// An object in a file is treated as "kubectl apply" would treat it: the same
// defaults, the same validation with the same words, plus the file and the line
// in front. Then it goes the same way as one from an API server: translate, the
// router, status.
//
// The directory says all there is: the same files give the same routes,
// whatever came before. With one exception, for the sake of the packets: an
// object that was good and is now wrong, or in a file that cannot be read,
// stays in effect as it was until it is good again or gone from the files.
package manifests
