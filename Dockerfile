# The image of "make image", for those who have a container engine. Not by hand:
# what is in it says hack/image, and "go test ./hack/image -update" writes this.
#
#	docker build --build-arg VERSION=1.2.3 --build-arg REVISION=$(git rev-parse HEAD) --tag kube-smcroute:1.2.3 .
FROM --platform=$BUILDPLATFORM golang:1.26.8 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN install -d -m 755 /image/etc && \
    printf 'root:x:0:\nnobody:x:65532:\n' >/image/etc/group && \
    chmod 644 /image/etc/group && \
    printf 'root:x:0:0:root:/:/sbin/nologin\nnobody:x:65532:65532:nobody:/:/sbin/nologin\n' >/image/etc/passwd && \
    chmod 644 /image/etc/passwd && \
    install -d -m 755 /image/run && \
    install -d -m 1777 /image/tmp
ARG TARGETARCH
ARG VERSION=devel
RUN CGO_ENABLED=0 GOOS=linux GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -tags=grpcnotrace -ldflags="-s -w -X github.com/smcroute/kube-smcroute/cmd/internal/install.Version=$VERSION -X github.com/smcroute/kube-smcroute/cmd/internal/install.SysConfDir=/etc -X github.com/smcroute/kube-smcroute/cmd/internal/install.RunStateDir=/run" \
    -o /image/ ./cmd/smcroute-agent ./cmd/smcroute-controller ./cmd/smcroute-keeper ./cmd/smcroute-probe ./cmd/smcroutectl ./cmd/smcrouted ./cmd/mcast

FROM scratch
ARG VERSION=devel
ARG REVISION
COPY --from=build /image/ /
LABEL org.opencontainers.image.description="Static IP multicast routing on Kubernetes and Linux"
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.revision="$REVISION"
LABEL org.opencontainers.image.source="https://github.com/smcroute/kube-smcroute"
LABEL org.opencontainers.image.title="kube-smcroute"
LABEL org.opencontainers.image.version="$VERSION"
ENV PATH=/
USER 65532:65532
CMD ["/smcroute-agent","--help"]
