/* python3.dll: forwards to python311.dll, for modules that fit every version. */
int __stdcall DllMain(void *module, unsigned long reason, void *reserved) {
    (void)module, (void)reason, (void)reserved;
    return 1;
}
