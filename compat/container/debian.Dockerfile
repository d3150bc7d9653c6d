# Stands for Debian's official image where none can be fetched: what debootstrap made.
FROM scratch
ADD debian.tar /
CMD ["bash"]
